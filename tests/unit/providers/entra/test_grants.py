"""The grant of a user's login as text."""

from __future__ import annotations

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.entra.grants import read_grant, write_grant
from credward.tokens import Secret


def test_what_is_written_is_read():
    """Token and account; for people only the account."""
    refresh_token = canary("rt")
    grant = write_grant(refresh_token, "alice@contoso.com")
    read = read_grant(grant.secret, "gateway")

    assert (read.refresh_token, read.account) == (refresh_token, "alice@contoso.com")
    assert grant.account == "alice@contoso.com"
    assert grant.ends_at is None
    assert MARK not in repr(read) + repr(grant)


def test_a_newer_version_may_say_more():
    """Unknown words are left alone."""
    assert read_grant(Secret('{"refresh_token": "x", "new": 1}'), "gateway").account is None


def test_a_refresh_token_may_be_brought_along():
    """As it is, without an account."""
    read = read_grant(Secret("0.AXoA-token_\n"), "gateway")

    assert (read.refresh_token, read.account) == ("0.AXoA-token_", None)


@pytest.mark.parametrize(
    "text",
    [None, "", "{", "{}", '{"refresh_token": 7}', '{"refresh_token": ""}', "two words", "tök"],
)
def test_h3_what_is_none_needs_a_login(text):
    """And is not repeated."""
    with pytest.raises(BrokerError) as caught:
        read_grant(None if text is None else Secret(text), "gateway")

    assert caught.value.kind is Kind.LOGIN_REQUIRED
    assert caught.value.message == '"gateway" needs a login: run credward login gateway'
