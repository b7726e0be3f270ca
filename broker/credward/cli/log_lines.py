"""The daemon's log for people: its last lines, and those that come."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path
from typing import IO

import click
import msgspec

from credward.cli.output import plain
from credward.errors import BrokerError, Kind
from credward.named_files import opened

__all__ = ["print_log"]

_COLOURS = {"warning": "yellow", "error": "red", "critical": "red"}


class _Line(msgspec.Struct):
    time: str
    level: str
    message: str
    exception: str = ""


def print_log(path: Path, *, lines: int, follow: bool, every: float, raw: bool) -> None:
    """Print the last *lines* of *path*, and with *follow* what comes, looked for *every* seconds.

    *raw*: as they are in the file. Raises `not-running` if there is no such log.
    """
    try:
        with opened(path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
            for line in deque(file, maxlen=lines):
                _print(line, raw=raw)
            while follow:
                _print_new(file, raw=raw)
                time.sleep(every)
    except FileNotFoundError as error:
        raise BrokerError(
            Kind.NOT_RUNNING,
            f'there is no log at "{path}": it was deleted, or no daemon was started in the '
            "background: run credward daemon restart, or journalctl --user -u credward",
        ) from error


def _print_new(file: IO[bytes], *, raw: bool) -> None:
    while line := file.readline():
        if not line.endswith(b"\n"):
            # Half a line: it is read again when the rest is there.
            file.seek(-len(line), os.SEEK_CUR)
            return
        _print(line, raw=raw)


def _print(line: bytes, *, raw: bool) -> None:
    text = line.decode("utf-8", "replace").rstrip("\n")
    try:
        known = None if raw else msgspec.json.decode(line, type=_Line)
    except msgspec.DecodeError:
        known = None
    if known is None:
        click.echo(plain(text))
        return
    when = known.time.partition(".")[0].replace("T", " ")
    level = click.style(f"{known.level:7}", fg=_COLOURS.get(known.level))
    click.echo(f"{when}  {level}  {plain(known.message)}")
    for each in known.exception.splitlines():
        click.echo(f"  {plain(each)}")
