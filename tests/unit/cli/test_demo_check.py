"""The demo checks tokens as a gateway would."""

import time
from pathlib import Path

import jwt
import pytest

from credward.cli.demo_check import verify
from credward.store.signing_keys import load_or_create, public_jwk


@pytest.fixture
def made(tmp_path: Path) -> tuple[str, dict[str, str]]:
    pem = load_or_create(tmp_path, "demo")
    return pem.reveal(), dict(public_jwk(pem))


def token(pem: str, kid: str, ends_in: float) -> str:
    return jwt.encode({"exp": int(time.time() + ends_in)}, pem, "ES256", headers={"kid": kid})


def test_a_good_token_passes(made: tuple[str, dict[str, str]]) -> None:
    """Signed by the published key and not over."""
    pem, key = made

    assert verify(token(pem, key["kid"], 60), [key]) is None


def test_what_is_wrong_is_named(made: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    """Expired, signed by somebody else, or no token at all."""
    pem, key = made
    other = load_or_create(tmp_path / "elsewhere", "demo").reveal()

    assert verify(token(pem, key["kid"], -5), [key]) == "it is expired"
    assert verify(token(other, key["kid"], 60), [key]) == "its signature does not verify"
    assert verify("opaque", [key]) == "not one of our tokens"
    assert verify(token(pem, "unknown", 60), [key]) == "not one of our tokens"
