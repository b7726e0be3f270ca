"""Output of the command line: one line for an error, tables and colour only on a terminal.

Rules for every message: program name, lower case, no full stop, one line that holds cause and
command; further hints only on a terminal. The commands decide what to say.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from credward.cli.tables import Column, lines_of, plain
from credward.errors import BrokerError

__all__ = [
    "format_duration",
    "plain",
    "print_error",
    "print_excerpt",
    "print_json",
    "print_table",
    "warn_of_disk",
]


def print_error(error: BrokerError) -> None:
    """Print *error* on stderr."""
    click.echo(f"credward: {plain(error.message)}", err=True)
    if not sys.stderr.isatty():
        return
    print_excerpt(error.message)
    if error.failure.hint:
        click.echo(f"hint: {plain(error.failure.hint)}", err=True)


def print_excerpt(message: str) -> None:
    """Print on stderr the line of the file that *message* names, if it names one."""
    if not message.startswith("/"):
        return
    from credward.cli.excerpt import excerpt

    if (shown := excerpt(message)) is not None:
        click.echo(shown, err=True)


def warn_of_disk() -> None:
    """Say that what was dropped is still on disk."""
    click.echo(
        "still on disk, retrying; a daemon that is killed before that will find it again: "
        "run credward status",
        err=True,
    )


def print_json(value: Any) -> None:
    """Write *value* as JSON for programs."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, colour_of: dict[str, str] | None = None
) -> None:
    """Write aligned columns; cells whose text is in *colour_of* are coloured on a terminal."""
    cells = list(zip(*rows, strict=True)) or [()] * len(header)
    columns = [Column(title=title, cells=each) for title, each in zip(header, cells, strict=True)]
    for each in lines_of(columns, None, colour_of):
        click.echo(each)


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
