"""A profile for Anthropic's SDKs, as the versions that were looked at demand it."""

from __future__ import annotations

import json

import pytest

from credward.errors import BrokerError
from credward.formats.anthropic_profile import profile_config, profile_credentials
from credward.tokens import Secret, Token, TokenKind


def token(expires_at: float | None = 2000.9, kind: TokenKind = "bearer") -> Token:
    return Token(secret=Secret("tok"), kind=kind, issued_at=1.0, expires_at=expires_at)


def test_the_configuration_names_no_client_and_no_workspace() -> None:
    """With a client id `ant` and the SDKs would want to refresh it themselves."""
    assert json.loads(profile_config("https://api.example.com")) == {
        "version": "1.0",
        "authentication": {"type": "user_oauth"},
        "base_url": "https://api.example.com",
    }
    assert "base_url" not in json.loads(profile_config(None))


def test_the_end_is_a_whole_number_and_never_later_than_it_is() -> None:
    assert json.loads(profile_credentials(token(), "given")) == {
        "version": "1.0",
        "type": "oauth_token",
        "access_token": "tok",
        "expires_at": 2000,
    }
    assert "expires_at" not in json.loads(profile_credentials(token(None), "given"))


def test_an_api_key_is_not_an_access_token() -> None:
    with pytest.raises(BrokerError, match="use format env for it"):
        profile_credentials(token(kind="api-key"), "given")
