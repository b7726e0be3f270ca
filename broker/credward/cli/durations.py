"""Durations on the command line, such as `8h`."""

from __future__ import annotations

import click

from credward.text.durations import parse_duration

__all__ = ["DURATION"]


class _Duration(click.ParamType):  # type: ignore[type-arg]
    """Converts `8h`, `90m` or `1d12h` to seconds."""

    name = "time"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        seconds = parse_duration(str(value))
        if not seconds:
            self.fail("write a time such as 8h, 90m or 1d12h", param, ctx)
        return seconds


DURATION = _Duration()
