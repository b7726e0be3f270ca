"""How long a server wants to be left alone."""

from __future__ import annotations

import pytest

from credward.providers.retry_after import read_retry_after
from fakes.io import NOW


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("86400", 86_400.0),
        ("86401", None),
        ("9" * 400, None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("²", None),
        ("Fri, 15 Jan 2027 08:02:00 GMT", 120.0),
        ("Fri, 15 Jan 2027 08:02:00", 120.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", None),
        ("Fri, 15 Jan 2100 07:00:00 GMT", None),
        ("Fri, 32 Jan 2027 07:00:00 GMT", None),
    ],
)
def test_t6_retry_after(text, seconds):
    """Seconds, a date, and what is absurd: then our own back-off is better."""
    assert read_retry_after({"retry-after": text}, NOW) == seconds


def test_where_none_was_said():
    """As absurd as any."""
    assert read_retry_after({}, NOW) is None


def test_a_date_tells_nothing_without_a_clock():
    """Seconds do."""
    assert read_retry_after({"retry-after": "Fri, 15 Jan 2027 08:02:00 GMT"}, None) is None
    assert read_retry_after({"retry-after": "7"}, None) == 7.0
