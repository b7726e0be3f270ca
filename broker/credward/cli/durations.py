"""Durations on the command line, such as `8h`."""

from __future__ import annotations

import click

from credward.text.durations import parse_duration

__all__ = ["DURATION"]

# What a token request may say (seconds).
_LONGEST = 31_622_400.0


class _Duration(click.ParamType):  # type: ignore[type-arg]
    """Converts `8h`, `90m` or `1d12h` to seconds."""

    name = "time"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        seconds = parse_duration(str(value))
        if not seconds or seconds > _LONGEST:
            self.fail("write a time such as 8h, 90m or 1d12h, of 366 days at most", param, ctx)
        return seconds


DURATION = _Duration()
