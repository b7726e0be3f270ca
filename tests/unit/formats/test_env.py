"""The token as a shell assignment."""

from __future__ import annotations

import json
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


def test_keys_have_the_names_that_aws_tools_read():
    """With their end; keys without a session have no token."""
    keys = {"AccessKeyId": "AKIA1", "SecretAccessKey": "a/b+c", "SessionToken": "s"}
    token = Token(
        secret=Secret(json.dumps(keys)), kind="aws", issued_at=0, expires_at=1_800_000_000.0
    )
    shaped = shape_env(token, ShapeRequest(credential="a", now=0.0, env_name=None))

    assert bytes(shaped.body).decode().splitlines() == [
        "AWS_ACCESS_KEY_ID=AKIA1",
        "AWS_SECRET_ACCESS_KEY=a/b+c",
        "AWS_SESSION_TOKEN=s",
        "AWS_CREDENTIAL_EXPIRATION=2027-01-15T08:00:00Z",
    ]
    assert b"SESSION" not in assignment(json.dumps(dict(list(keys.items())[:2])), "aws")
