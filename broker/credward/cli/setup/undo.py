"""The set-ups of tools that are recorded, and their undoing, one or all."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click

from credward.cli.setup import claude_code, settings_file
from credward.cli.setup.putting_back import notes_about, put_back, wanted
from credward.cli.setup.settings_file import Memory, Record
from credward.cli.setup.taken_out import load
from credward.cli.start import paths, reach

__all__ = ["memory_of_claude_code", "set_ups_of", "tell_undone", "undo_all"]


def memory_of_claude_code() -> Memory:
    """Return what we did to settings files of Claude Code."""
    return Memory(paths().state_dir / "setup-claude-code.json")


def set_ups_of(name: str) -> list[Path]:
    """Return the settings files in which we made Claude Code ask for the credential *name*."""
    return [Path(path) for path, record in _records() if name in _names(record)]


def undo_all(targets: list[Path] | None = None) -> Iterator[str]:
    """Undo what we did to *targets* (None: to every file), and yield a line for each."""
    memory = memory_of_claude_code()
    records = memory.load()
    for path in list(records) if targets is None else [str(each) for each in targets]:
        target = Path(path)
        record = records.pop(path)
        before = settings_file.read(target)
        after, whole = settings_file.undone(target, before, record)
        if whole:
            settings_file.put_back(target, after, record, records)
        elif after is not None and after != before:
            settings_file.replace(target, after)
        memory.save(records)
        yield f"{target}: {'as it was before' if whole else 'our settings are gone'}"


def _records() -> Iterator[tuple[str, Record]]:
    yield from memory_of_claude_code().load().items()


def _names(record: Record) -> Iterator[str]:
    """Yield the credentials that the helper lines of a record ask for."""
    for change in record.changes:
        if change.path == list(claude_code.HELPER) and isinstance(change.after, str):
            yield change.after.split()[-1].strip("'\"")


def tell_undone(put_keys_back: bool | None, *, although_changed: bool) -> None:
    """Undo everything, and print what was done.

    *put_keys_back*: also what `add` took out of files; None: asked on a terminal, else only told.
    """
    taken = load()
    asked = put_keys_back is not None or sys.stdin.isatty()
    back = wanted(taken, put_keys_back) if asked else {}
    lines = undo_all()
    if back:
        keys = put_back(reach(start=True), back, although_changed=although_changed)
        lines = chain(lines, keys)
    said = False
    for line in lines:
        click.echo(line)
        said = True
    for note in notes_about({each: taken[each] for each in taken if each not in back}):
        click.echo(f"{note}: credward setup --undo --all --put-back puts it back")
    if not said:
        click.echo("nothing was set up")
