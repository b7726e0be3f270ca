"""The token as a shell assignment."""

from __future__ import annotations

import subprocess

import pytest

from credward.errors import BrokerError, Kind
from credward.formats.env import shape_env
from credward.formats.shape import ShapeRequest
from credward.tokens import Secret, Token


def assignment(secret: str, kind: str = "bearer", env_name: str | None = None) -> bytes:
    token = Token(secret=Secret(secret), kind=kind, issued_at=0, expires_at=None)
    return bytes(shape_env(token, ShapeRequest(credential="a", now=0.0, env_name=env_name)).body)


@pytest.mark.parametrize(
    ("kind", "env_name", "expected"),
    [
        ("bearer", None, b"ANTHROPIC_AUTH_TOKEN=abc\n"),
        ("api-key", None, b"ANTHROPIC_API_KEY=abc\n"),
        ("api-key", "MY_KEY", b"MY_KEY=abc\n"),
        ("basic", "MY_LOGIN", b"MY_LOGIN=abc\n"),
    ],
)
def test_the_name_follows_kind_and_configuration(kind, env_name, expected):
    """The names that Anthropic's tools read, or the configured one."""
    assert assignment("abc", kind, env_name) == expected


@pytest.mark.parametrize("secret", ["a'b", "$(id)", "`id`", "a b;c", '"\\x', "~", "!x", "#"])
def test_a_shell_reads_exactly_the_token(secret):
    """Nothing in a token is ever run or expanded."""
    script = assignment(secret, env_name="X") + b'printf %s "$X"'

    assert subprocess.run(["sh", "-c", script], capture_output=True).stdout == secret.encode()


def test_a_kind_without_a_usual_name_needs_one():
    """The message says what to set where."""
    with pytest.raises(BrokerError, match=r"set env_name in \[credentials.a\]") as caught:
        assignment("u:p", "basic")

    assert caught.value.kind is Kind.FIX_CONFIGURATION
