"""The grant as text."""

from __future__ import annotations

import json

import msgspec
import pytest

from credward.errors import BrokerError, Kind
from credward.providers.oauth.grants import read_grant
from credward.providers.provider import ProviderRequest
from credward.settings.oauth import Settings
from credward.tokens import Secret


def held(text, *, dpop=False):
    settings = msgspec.convert(
        {"issuer": "https://a.example", "client_id": "c", "dpop": dpop}, Settings
    )
    grant = None if text is None else Secret(text)
    return read_grant(ProviderRequest(credential="gateway", settings=settings, grant=grant))


def test_a_refresh_token_is_itself():
    """A line end of whoever handed it over does not count."""
    found = held("rt\n")

    assert (found.refresh_token.reveal(), found.key) == ("rt", None)
    assert found.seal().reveal() == "rt"


def test_with_dpop_the_key_stays_with_it():
    """One that was brought along gets a key at its first use, and keeps it."""
    first = held("rt", dpop=True)
    again = held(first.seal().reveal(), dpop=True)

    assert again.refresh_token.reveal() == "rt"
    assert again.key.export() == first.key.export()


@pytest.mark.parametrize(
    "text",
    [None, "", "  ", "a\nb", "é", "{", "{}", json.dumps({"refresh_token": "a", "dpop_key": "b"})],
)
def test_anything_else_needs_a_login(text):
    """Without a word of it, in the causes either."""
    with pytest.raises(BrokerError, match="run credward login gateway") as caught:
        held(text)

    assert caught.value.kind is Kind.LOGIN_REQUIRED
    assert caught.value.__cause__ is None
