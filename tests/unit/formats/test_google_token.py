"""Tokens as Google's metadata server answers them."""

from __future__ import annotations

import json

import pytest

from credward.errors import BrokerError
from credward.formats.google_token import access_token_answer, identity_token_answer
from credward.tokens import Secret, Token

NOW = 1_800_000_000.0


def token(expires_at: float | None = NOW + 3600) -> Token:
    return Token(secret=Secret("ya29.x"), issued_at=NOW, expires_at=expires_at)


@pytest.mark.parametrize(("ends", "lasts"), [(NOW + 60.9, 60), (NOW - 5, 0), (None, 3600)])
def test_an_access_token_lasts_so_many_seconds(ends: float | None, lasts: int) -> None:
    answer = json.loads(access_token_answer(token(ends), "a", NOW))
    assert answer == {"access_token": "ya29.x", "expires_in": lasts, "token_type": "Bearer"}


def test_an_identity_token_is_text() -> None:
    assert identity_token_answer(token(), "a") == b"ya29.x"


def test_keys_of_aws_are_no_token() -> None:
    keys = Token(secret=Secret("{}"), kind="aws", issued_at=NOW, expires_at=None)
    with pytest.raises(BrokerError, match='"vertex" is an AWS credential'):
        identity_token_answer(keys, "vertex")
