"""Output of the command line: one line for an error, tables and colour only on a terminal.

Rules for every message: program name, lower case, no full stop, one line that holds cause and
command; further hints only on a terminal. The commands decide what to say.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from credward.cli.glance import columns
from credward.errors import BrokerError
from credward.paths import environment
from credward.text.durations import format_duration
from credward.text.tables import Column, lines_of, plain
from credward.text.wrapping import wrapped

if TYPE_CHECKING:
    from credward.text.viewer import Viewer

__all__ = [
    "format_duration",
    "plain",
    "print_error",
    "print_excerpt",
    "print_json",
    "print_table",
    "say",
    "viewer",
    "warn_of_disk",
]


def print_error(error: BrokerError) -> None:
    """Print *error* on stderr."""
    say(f"credward: {plain(error.message)}")
    if not sys.stderr.isatty():
        return
    print_excerpt(error.message)
    if error.failure.hint:
        say(f"hint: {plain(error.failure.hint)}")


def say(text: str, *, err: bool = True, mark: str = "") -> None:
    """Print one line of *text*; a terminal breaks it at blanks, others get it whole.

    *mark*: a style for its first word.
    """
    lines = wrapped(text, columns(err=err))
    if mark:
        first, blank, rest = lines.partition(" ")
        lines = f"{click.style(first, fg=mark)}{blank}{rest}"
    click.echo(lines, err=err)


def print_excerpt(message: str) -> None:
    """Print on stderr the line of the file that *message* names, if it names one."""
    if not message.startswith("/"):
        return
    from credward.cli.excerpt import excerpt

    if (shown := excerpt(message)) is not None:
        click.echo(shown, err=True)


def warn_of_disk() -> None:
    """Say that what was dropped is still on disk."""
    say(
        "still on disk, retrying; a daemon that is killed before that will find it again: "
        "run credward status"
    )


def print_json(value: Any) -> None:
    """Write *value* as JSON for programs."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, colour_of: dict[str, str] | None = None
) -> None:
    """Write aligned columns; cells whose text is in *colour_of* are coloured on a terminal."""
    cells = list(zip(*rows, strict=True)) or [()] * len(header)
    table = [Column(title=title, cells=each) for title, each in zip(header, cells, strict=True)]
    for each in lines_of(table, None, colour_of):
        click.echo(each)


def viewer(width: int | None = None) -> Viewer:
    """Return who looks, in a window so wide; None: in full."""
    from credward.text.viewer import CHOICE, Viewer

    environ = environment()
    return Viewer(home=environ.get("HOME", ""), choice=environ.get(CHOICE, ""), width=width)
