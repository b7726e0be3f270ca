"""How long things take, as it is said."""

from __future__ import annotations

import pytest

from credward.text.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m00s"),
        (430, "7m10s"),
        (11_100, "3h05m"),
        (187_200, "2d04h"),
        (-5, "-5s"),
    ],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    """Two units at most."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("8h", 28_800.0),
        ("90m", 5400.0),
        ("1d12h", 129_600.0),
        ("1h30m5s", 5405.0),
        *((text, None) for text in ("", "8", "h", "8 h", "-8h", "8h1d", "1.5h", "٣h", "9999999h")),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float | None) -> None:
    """Units in their order, and nothing else."""
    assert parse_duration(text) == seconds
