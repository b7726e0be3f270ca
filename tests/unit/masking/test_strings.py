"""Where strings, words and lines end."""

from __future__ import annotations

import pytest

from credward.masking.strings import Source


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ('"a b" c', "a b"),
        (r'"a\"b" c', r"a\"b"),
        (r"\"a b\" c", "a b"),
        (r"\"a\\\"b\" c", r"a\\\"b"),
        ('"a b\nc"', "a b"),
        ('"""a\nb""" c', "a\nb"),
        ('"""a\nb', "a\nb"),
        ("\u201ca b\u201d c", "a b"),
        ("\u2018a b\u2019 c", "a b"),
    ],
)
def test_a_string_ends_where_its_quotes_do(text: str, inside: str) -> None:
    """Escaped as often as at its start, or at the end of the line."""
    source = Source(text)
    span, after = source.string(0)

    assert source.text[slice(*span)] == inside
    assert span[1] <= after <= len(text)
    assert source.argument(0) == inside


def test_a_line_is_found_from_any_of_its_places() -> None:
    """Also from one before that which was asked for last."""
    source = Source("ab\ncd\nef")

    assert [source.end_of_line(at) for at in (4, 3, 0, 7, 2, 5)] == [5, 5, 2, 8, 2, 5]


def test_a_text_is_as_long_with_plain_signs() -> None:
    """Places in it are places in what was given."""
    text = "a\u00a0\uff1d \u201cb\u201d\uff1a"

    assert Source(text).text == 'a = "b":'


def test_an_indent_is_that_of_the_line() -> None:
    """Spaces before its first sign."""
    source = Source("a\n  b: c")

    assert [source.indent(at) for at in (1, 5, 8)] == [0, 2, 2]
