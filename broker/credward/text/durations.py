"""Durations as people say them."""

from __future__ import annotations

import re

__all__ = ["format_duration", "parse_duration"]

_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_PARTS = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)


def parse_duration(text: str) -> float | None:
    """Return the seconds that *text* says, such as `8h`, `90m` or `1d12h`; None if it says none."""
    match = _PARTS.fullmatch(text)
    if match is None or not text:
        return None
    parts = zip(match.groups(), _SECONDS.values(), strict=True)
    return float(sum(int(number) * each for number, each in parts if number))


def format_duration(seconds: float) -> str:
    """Return a duration for people: `42s`, `7m10s`, `3h05m`, `2d04h`."""
    whole = int(abs(seconds))
    sign = "-" if seconds < 0 else ""
    if whole < 60:
        return f"{sign}{whole}s"
    if whole < 3600:
        return f"{sign}{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{sign}{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{sign}{whole // 86_400}d{whole % 86_400 // 3600:02d}h"
