"""Every shape is found by name and holds to the same rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credward.errors import BrokerError, Kind
from credward.formats.registry import (
    FORMATS,
    ShapeRequest,
    check_merging,
    least_remaining,
    merge,
    shape,
)
from credward.tokens import Secret, Token

REQUEST = ShapeRequest(credential="gateway", now=0.0)


def token(secret: str = "s3cret", kind: str = "bearer") -> Token:
    return Token(secret=Secret(secret), kind=kind, issued_at=1.5, expires_at=2.5)


def test_names_the_known_ones():
    """An unknown format is the caller's mistake, and the message helps."""
    with pytest.raises(BrokerError, match=r'^no format "tokne", perhaps "token"$') as caught:
        shape("tokne", token(), REQUEST)

    assert caught.value.kind is Kind.BAD_REQUEST
    with pytest.raises(
        BrokerError, match='no format "x": one of aws-export, aws-process, env, gcp'
    ):
        shape("x", token(), REQUEST)


KEYS = '{"AccessKeyId": "a", "SecretAccessKey": "s3cret", "SessionToken": "b"}'
# Those that not every kind fits.
TOKENS = {
    "aws-process": token(KEYS, "aws"),
    "aws-export": token(KEYS, "aws"),
    "gcp-executable": token("a.s3cret.c"),
}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_body_can_be_wiped_and_ends_its_line(name):
    """Whoever writes the body wipes it; shells and line readers see a whole line."""
    shaped = shape(name, TOKENS.get(name, token()), REQUEST)

    assert isinstance(shaped.body, bytearray)
    assert shaped.body.endswith(b"\n")
    assert b"s3cret" in shaped.body


@pytest.mark.parametrize("name", ["token", "headers", "env", "gcp-executable"])
@pytest.mark.parametrize("secret", ["", "a\nb", "a\0b", "a\rb", "é", "a" * 16_385])
def test_t7_refuses_what_is_no_token(name, secret):
    """T7: an empty or unprintable secret is never handed out, nor quoted."""
    with pytest.raises(BrokerError) as caught:
        shape(name, token(secret), REQUEST)

    assert caught.value.kind is Kind.PROVIDER_REFUSED
    assert not secret or secret not in caught.value.message


@pytest.mark.parametrize("name", ["token", "headers", "gcp-executable"])
def test_an_aws_credential_is_not_one_line(name):
    """Three values have no shape of one."""
    with pytest.raises(
        BrokerError, match=f'"gateway" is an AWS credential and has no format "{name}"'
    ):
        shape(name, token("{}", "aws"), REQUEST)


@pytest.mark.parametrize("name", ["token", "headers", "env"])
@given(secret=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1))
def test_a_printable_token_always_fits_on_one_line(name, secret):
    """No printable character breaks a line or a header."""
    assert shape(name, token(secret), REQUEST).body.count(b"\n") == 1


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"headers"}))
def test_most_formats_are_for_one_credential(name):
    """What is asked for of several is refused before anybody is asked."""
    with pytest.raises(BrokerError, match=f'"{name}" is for one credential: .*--format headers$'):
        check_merging(name)
    with pytest.raises(BrokerError):
        merge(name, [(token(), REQUEST)] * 2)


def test_one_that_does_not_exist_is_for_none():
    with pytest.raises(BrokerError, match="no format"):
        check_merging("tokne")


def test_clients_that_keep_keys_get_long_ones():
    """Above the 15 minutes of botocore, and the 6 minutes of Claude Code and google-auth."""
    assert {name: least_remaining(name) for name in FORMATS if least_remaining(name)} == {
        "aws-process": 960.0,
        "aws-export": 960.0,
        "gcp-executable": 360.0,
    }
