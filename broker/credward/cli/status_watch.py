"""`credward status --watch`: the same, anew every second, in as much as the window shows.

`screen` draws it; a daemon that does not answer is said, and asked again.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Sequence
from datetime import datetime

import click

from credward.cli.output import viewer
from credward.cli.screen import Screen
from credward.clock import SystemClock
from credward.errors import BrokerError, Failure, Kind
from credward.text.status import NONE, detail, logins, problems, table
from credward.text.tables import cut, plain
from credward.wire import StatusList

__all__ = ["PATIENCE", "frame", "watch_status"]

# How often it is drawn, and how long a busy daemon may take: keys count in between (seconds).
_PACE, PATIENCE = 1.0, 1.0
# Lines of problems that stay, however many credentials there are.
_PROBLEMS = 6
# What may be over in a second.
_PASSING = {Kind.NOT_RUNNING, Kind.TIMED_OUT, Kind.RATE_LIMITED}


def watch_status(read: Callable[[], StatusList], *, in_detail: bool) -> None:
    """Draw until `q` or Ctrl-C; raise `bad-request` if there is no terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BrokerError(
            Kind.BAD_REQUEST, "--watch needs a terminal: run credward status --json instead"
        )
    clock = SystemClock()
    listed, lost = None, None
    with Screen() as screen:
        while True:
            try:
                listed, lost = read(), None
            except BrokerError as error:
                if error.kind not in _PASSING:
                    raise
                lost = (lost[0] if lost else clock.now()), error.failure
            now = clock.now()
            while not screen.draw(frame(listed, lost, now, screen.size(), in_detail=in_detail)):
                # The window has another size by now.
                pass
            if screen.wait(_PACE):
                return


def frame(
    listed: StatusList | None,
    lost: tuple[float, Failure] | None,
    now: float,
    size: tuple[int, int],
    *,
    in_detail: bool,
) -> list[str]:
    """Return what fits into *size*, columns and rows; *lost*: since when none answers, and why."""
    width, height = size
    looking = viewer(width)
    lines = [_title(now, width)]
    if lost is not None:
        text = f"no answer since {_clock(lost[0])}, trying again: {lost[1].message}"
        lines += [click.style(each, fg="red") for each in _wrapped([plain(text)], width)]
    if listed is None:
        return lines[:height]
    lines.append("")
    room = height - len(lines)
    notes = _wrapped([*problems(listed, looking)], width)
    if not listed.credentials:
        body = _wrapped([NONE], width)
    elif in_detail:
        body = list(detail(listed, looking))
    else:
        body = table(listed, looking)
        grants = logins(listed, looking)
        if grants and len(body) + len(grants) + len(notes) + 2 <= room:
            body += ["", *grants]
    notes = _at_most(notes, max(room - len(body) - 1, min(_PROBLEMS, room // 3)), width)
    body = _at_most(body, room - len(notes) - bool(notes), width)
    return [*lines, *body, *([""] if notes else []), *notes][:height]


def _title(now: float, width: int) -> str:
    title, end = "credward status", f"{_clock(now)}   q: quit"
    room = width - len(title) - len(end)
    return click.style(title, bold=True) + " " * room + end if room > 0 else cut(title, width)


def _at_most(lines: Sequence[str], count: int, width: int) -> list[str]:
    """Return so many lines; the last one says how many are left out."""
    if len(lines) <= count:
        return list(lines)
    left_out = len(lines) - count + 1
    if count <= 0:
        return []
    return [*lines[: count - 1], cut(f"… and {left_out} more: credward status", width)]


def _wrapped(texts: Sequence[str], width: int) -> list[str]:
    # Long words too: a path that runs out of the window helps nobody.
    return [line for text in texts for line in textwrap.wrap(text, max(width, 1))]


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at):%H:%M:%S}"  # noqa: DTZ006 - the user's clock
