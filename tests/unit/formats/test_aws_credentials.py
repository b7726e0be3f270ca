"""One profile in a file of many: what is put in can be read, what is taken out leaves the rest."""

from __future__ import annotations

import configparser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credward.errors import BrokerError
from credward.formats.aws_credentials import (
    has_profile,
    key_lines,
    keys_in,
    with_profile,
    without_profile,
)
from credward.tokens import Secret, Token

KEYS = b"aws_access_key_id = AKIA1\naws_secret_access_key = s\naws_session_token = t\n"
MORE = KEYS.replace(b"AKIA1", b"AKIA2")


def token(**parts: str) -> Token:
    text = msgspec.json.encode(parts).decode()
    return Token(secret=Secret(text), kind="aws", issued_at=1.0, expires_at=2.0)


def read(content: bytes) -> dict[str, dict[str, str]]:
    """Return the sections as botocore reads them."""
    parser = configparser.RawConfigParser(default_section=None)
    parser.read_string(content.decode("latin-1"))
    return {name: dict(parser[name]) for name in parser.sections()}


def test_keys_are_lines() -> None:
    session = token(AccessKeyId="AKIA1", SecretAccessKey="s", SessionToken="t")

    assert bytes(key_lines(session, "given", 0.0)) == KEYS
    assert b"session" not in key_lines(token(AccessKeyId="a", SecretAccessKey="b"), "given", 0.0)


def test_a_value_that_would_begin_another_line_is_refused() -> None:
    """Else whoever mints could write a profile of another name."""
    with pytest.raises(BrokerError, match="do not fit on a line"):
        key_lines(token(AccessKeyId="a\n[default]", SecretAccessKey="b"), "given", 0.0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"[p]\n" + KEYS),
        (b"[a]\nx = 1\n", b"[a]\nx = 1\n[p]\n" + KEYS),
        (b"[a]\nx = 1", b"[a]\nx = 1\n[p]\n" + KEYS),
        (
            b"[p]\n# mine\nregion = eu\naws_access_key_id=old\n  on = 1\n[a]\n",
            b"[p]\n" + KEYS + b"# mine\nregion = eu\n[a]\n",
        ),
        (b"[p]\r\n[a]\r\nx=1\r\n", b"[p]\r\n" + KEYS.replace(b"\n", b"\r\n") + b"[a]\r\nx=1\r\n"),
        (b"[p]", b"[p]\n" + KEYS),
        (b"\xff\n[pp]\nx=1\n", b"\xff\n[pp]\nx=1\n[p]\n" + KEYS),
    ],
)
def test_keys_are_put_in(before: bytes, after: bytes) -> None:
    assert with_profile(before, "p", KEYS) == after
    assert has_profile(after, "p")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"[p]\n" + KEYS, b""),
        (b"[a]\nx = 1\n[p]\n" + KEYS + b"\n# of b\n[b]\n", b"[a]\nx = 1\n\n# of b\n[b]\n"),
        (b"[p]\n" + KEYS + b"region = eu\n", b"[p]\nregion = eu\n"),
        (b"[a]\nx = 1\n", b"[a]\nx = 1\n"),
    ],
)
def test_keys_are_taken_out(before: bytes, after: bytes) -> None:
    """A setting of somebody else keeps its header, or it would be another profile's."""
    assert without_profile(before, "p") == after


def test_keys_are_alike_however_they_are_written() -> None:
    """Other lines do not count, nor does the way in which another tool writes these."""
    expected = keys_in(b"[p]\n" + KEYS, "p")
    assert expected == b"aws_access_key_id=AKIA1\naws_secret_access_key=s\naws_session_token=t"
    other = (
        b"[a]\nx=1\n[p]\r\n; mine\r\nregion = eu\r\nAWS_SESSION_TOKEN: t \r\n\r\n"
        b"aws_access_key_id=AKIA1\r\naws_secret_access_key    = s\r\n[b]\naws_session_token=u\n"
    )
    assert keys_in(other, "p") == expected
    assert keys_in(b"[p]\nregion = eu\n", "p") == b""
    assert keys_in(b"[a]\n" + KEYS, "p") is None


@pytest.mark.parametrize(
    "changed",
    [
        KEYS.replace(b"AKIA1", b"AKIA2"),
        KEYS.replace(b"aws_session_token = t\n", b""),
        KEYS + b"  more\n",
        KEYS + b"# mine\n  more\n",
        KEYS + b"aws_session_token = u\n",
        b"  aws_access_key_id = AKIA1\n" + KEYS,
        b"\n  region = eu\n" + KEYS,
    ],
)
def test_a_change_of_a_key_is_seen(changed: bytes) -> None:
    """Also an indented line below the header: it would continue a key that is put above it."""
    assert keys_in(b"[p]\n" + changed, "p") != keys_in(b"[p]\n" + KEYS, "p")


_names = st.sampled_from(["a", "b", "default", "p2", "profile p"])
_lines = st.sampled_from(
    ["", "# c", "; c", "x = 1", "y=2  ", "aws_access_key_id = AKIAX", "  more", "[not closed"]
)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Return a file with some profiles, none of them `p`, in either kind of line ends."""
    end = draw(st.sampled_from(["\n", "\r\n"]))
    lines = list(draw(st.lists(st.sampled_from(["", "# top", "; top"]), max_size=2)))
    for name in draw(st.lists(_names, unique=True)):
        lines.append(f"[{name}]")
        found = draw(st.lists(_lines, unique_by=lambda line: line.partition("=")[0].strip()))
        lines += [line for line in found if line != "[not closed"]
    return "".join(line + end for line in lines).encode()


@given(content=files())
def test_the_rest_stays_byte_for_byte(content: bytes) -> None:
    once = with_profile(content, "p", KEYS)
    again = with_profile(once, "p", MORE)

    assert once.startswith(content)
    assert again == once.replace(b"[p]\n" + KEYS, b"[p]\n" + MORE)
    assert without_profile(again, "p") == without_profile(once, "p") == content


_more = st.sampled_from(["", "# c", "  # d", "region = eu", "s3 =", "x=1\n  y = 2", "; e"])


@given(content=files(), more=st.lists(_more), at=st.integers(0, 3))
def test_lines_of_somebody_else_in_our_profile_stay_and_change_no_key(
    content: bytes, more: list[str], at: int
) -> None:
    """Wherever they are among our lines, while these are replaced, taken out and put in again."""
    lines = with_profile(content, "p", KEYS).splitlines(keepends=True)
    start = lines.index(b"[p]\r\n" if b"[p]\r\n" in lines else b"[p]\n") + 1 + at
    added = [(each + "\n").encode() for each in more]
    changed = b"".join([*lines[:start], *added, *lines[start:]])
    again = with_profile(changed, "p", MORE)
    without = without_profile(again, "p")

    assert keys_in(changed, "p") == keys_in(b"[p]\n" + KEYS, "p")
    assert keys_in(again, "p") == keys_in(b"[p]\n" + MORE, "p")
    assert keys_in(without, "p") in {None, b""}
    for text in (again, without, with_profile(without, "p", KEYS)):
        assert b"".join(added) in text
        assert text.startswith(content)


@given(content=files())
def test_others_read_what_was_written(content: bytes) -> None:
    try:
        before = read(content)
    except configparser.Error:
        # A file that nobody could read before stays so.
        return
    after = read(with_profile(content, "p", KEYS))

    assert after.pop("p") == {
        "aws_access_key_id": "AKIA1",
        "aws_secret_access_key": "s",
        "aws_session_token": "t",
    }
    assert after == before
