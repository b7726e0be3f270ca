"""How long things take, as it is said."""

from __future__ import annotations

import pytest

from credward.text.durations import format_duration


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
