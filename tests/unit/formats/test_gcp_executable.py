"""What Google's libraries read from a program, of a token and of a failure."""

from __future__ import annotations

import json

import pytest

from credward.errors import BrokerError, Kind
from credward.formats.gcp_executable import failed_executable, shape_executable
from credward.formats.shape import ShapeRequest
from credward.tokens import Secret, Token

REQUEST = ShapeRequest(credential="idp", now=0.0)


def token(secret: str, expires_at: float | None = 2000.9) -> Token:
    return Token(secret=Secret(secret), issued_at=0, expires_at=expires_at)


@pytest.mark.parametrize("expires_at", [2000.9, None])
def test_a_jwt_is_a_success(expires_at: float | None) -> None:
    """An unknown end is left out: then no library keeps the answer."""
    ends = {} if expires_at is None else {"expiration_time": 2000}
    assert json.loads(shape_executable(token("eyJ.e-_.s", expires_at), REQUEST).body) == {
        "version": 1,
        "success": True,
        "token_type": "urn:ietf:params:oauth:token-type:jwt",
        "id_token": "eyJ.e-_.s",
        **ends,
    }


@pytest.mark.parametrize("secret", ["opaque-canary", "a.b", "a.b.c.d", "a..c", "ya29.a0.b c"])
def test_what_a_pool_does_not_take_is_said_here(secret: str) -> None:
    """Google would only say that the request is not valid."""
    with pytest.raises(BrokerError, match='"idp" hands out a token that is not a JWT') as caught:
        shape_executable(token(secret), REQUEST)
    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert secret not in caught.value.message


def test_a_failure_holds_our_line_and_exit_code() -> None:
    said = failed_executable(Kind.LOGIN_REQUIRED, 'credward: "idp" needs a login')
    assert json.loads(said) == {
        "version": 1,
        "success": False,
        "code": "67",
        "message": 'credward: "idp" needs a login',
    }
    assert said.endswith(b"}\n")
