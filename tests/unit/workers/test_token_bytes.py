"""Tokens taken out of JSON without a copy."""

from __future__ import annotations

import hashlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credward.tokens import Secret
from credward.workers.token_bytes import find_unprintable, take_token, token_id, wipe

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)
# Mostly what needs escapes.
ESCAPED = st.text(st.sampled_from('\\"ab/{}'), min_size=1)


@given(PRINTABLE | ESCAPED)
def test_any_printable_token_survives(text):
    """The quotes and backslashes of AWS keys as JSON included."""
    taken = take_token(msgspec.Raw(msgspec.json.encode(text)))

    assert text.encode() == bytes(taken)


@given(st.text(min_size=1).filter(lambda text: not (text.isascii() and text.isprintable())))
def test_anything_else_is_refused(text):
    """Whichever way an encoder writes it."""
    for written in (msgspec.json.encode(text), json.dumps(text).encode()):
        with pytest.raises(ValueError, match="printable ASCII"):
            take_token(msgspec.Raw(written))


@pytest.mark.parametrize("raw", [b'""', b"null", b"12345", b"{}", b'["a"]', b"true"])
def test_what_is_no_text_is_refused(raw):
    """A token is a text that is not empty (T7)."""
    with pytest.raises(ValueError, match="token"):
        take_token(msgspec.Raw(raw))


def test_the_name_is_that_of_secret():
    """Audit lines of both ends must match."""
    assert token_id(bytearray(b"abc")) == Secret("abc").token_id()
    assert hashlib.sha256(b"abc").hexdigest().startswith(token_id(bytearray(b"abc")))


def test_wipe_overwrites_in_place():
    """The very bytes, also through a view of a part."""
    buffer = bytearray(b"secret-tail")
    wipe(memoryview(buffer)[:6])
    assert bytes(buffer) == b"\0" * 6 + b"-tail"

    wipe(buffer)
    assert bytes(buffer) == bytes(11)


def test_finds_the_first_unprintable():
    """By index; -1 when there is none."""
    assert find_unprintable(b"ab\ncd\x7f") == 2
    assert find_unprintable(b"ab~ ") == -1
