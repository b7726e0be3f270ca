"""How long a mint may take and a token lasts, as far as settings say."""

from __future__ import annotations

import msgspec

from credward.settings import aws, command, local
from credward.settings.times import lifetime, time_limit

_ROLE = "arn:aws:iam::123456789012:role/a"


class Foreign(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of somebody else's provider, which say nothing of times."""


def test_the_limit_of_a_mint_is_the_settings_own() -> None:
    """Or the daemon's, where they have none."""
    assert time_limit(command.Settings(command=("print-token",), timeout=7)) == 7
    assert time_limit(local.Settings()) is None
    assert time_limit(Foreign()) is None


def test_how_long_a_token_lasts_is_said_in_either_word() -> None:
    """Or nothing is known before a mint."""
    role = aws.Settings(source_profile="base", role_arn=_ROLE, duration_seconds=900)

    assert lifetime(local.Settings(lifetime=60)) == 60
    assert lifetime(role) == 900
    assert lifetime(command.Settings(command=("print-token",))) is None
    assert lifetime(Foreign()) is None
