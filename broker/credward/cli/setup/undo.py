"""The set-ups of tools that are recorded, and their undoing, one or all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click

from credward.cli.setup import claude_code, settings_file
from credward.cli.setup.json_text import UnreadableError
from credward.cli.setup.putting_back import notes_about, put_back, wanted
from credward.cli.setup.recognising import recognised
from credward.cli.setup.settings_file import Memory, Record
from credward.cli.setup.taken_out import load
from credward.cli.start import paths, reach
from credward.config import environment
from credward.errors import BrokerError, Kind

__all__ = [
    "left_lines",
    "memory_of_claude_code",
    "record_of",
    "restored",
    "set_ups_of",
    "tell_undone",
    "undo_all",
    "undo_diffs",
]

# Without a record, a file that a repository may have brought is no set-up of ours.
_OWN_LEVELS = ("user", "local")


def memory_of_claude_code() -> Memory:
    """Return what we did to settings files of Claude Code."""
    return Memory(paths().state_dir / "setup-claude-code.json")


def record_of(target: Path) -> Record | None:
    """Return what we did to *target*, as recorded, else as far as it shows that itself."""
    return memory_of_claude_code().load().get(str(target)) or recognised(target)


def set_ups_of(name: str) -> list[Path]:
    """Return the settings files in which we made Claude Code ask for the credential *name*."""
    return [Path(path) for path, record in _records().items() if name in _names(record)]


def undo_all(targets: list[Path] | None = None) -> Iterator[str]:
    """Return what undoes our changes to *targets* (None: to every file), a line for each step.

    Before that it is tried without a change: raise `fix-configuration` for a file that cannot be
    read.
    """
    records = _records(targets)
    for path, record in records.items():
        _undone(Path(path), record)
    memory = memory_of_claude_code()
    return chain.from_iterable(_undo(memory, path, record) for path, record in records.items())


def undo_diffs(targets: list[Path] | None = None) -> Iterator[str]:
    """Yield what `undo_all` would change, a diff for each file that it changes."""
    for path, record in _records(targets).items():
        before, after, _ = _undone(Path(path), record)
        if shown := settings_file.diff(Path(path), before, after or ""):
            yield shown


def _undo(memory: Memory, path: str, record: Record) -> Iterator[str]:
    target, records = Path(path), memory.load()
    # An undo before this one may have left a directory to it.
    record = records.pop(path, record)
    before, after, whole = _undone(target, record)
    if whole:
        settings_file.put_back(target, after, record, records)
    elif after is not None and after != before:
        settings_file.replace(target, after)
    memory.save(records)
    yield f"{target}: {restored(after) if whole else 'our settings are gone'}"
    yield from left_lines(record)


def _undone(target: Path, record: Record) -> tuple[str, str | None, bool]:
    """Return the text of *target*, and what `settings_file.undone` makes of it."""
    before = settings_file.read(target)
    try:
        return before, *settings_file.undone(target, before, record)
    except UnreadableError as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION, f'"{target}" {error}: correct it, nothing was changed'
        ) from error


def restored(after: str | None) -> str:
    """Return that a file is what it was before us; *after*: its text, None if there was no file."""
    return "removed, there was no file before" if after is None else "as it was before"


def left_lines(record: Record) -> Iterator[str]:
    """Yield a line for each backup that is still there after an undo, as its user may need it."""
    for backup in filter(os.path.exists, record.backups):
        yield f"an earlier state stays, delete it if you do not need it: {backup}"


def _records(targets: list[Path] | None = None) -> dict[str, Record]:
    """Return what we did to *targets* (None: every file), by path."""
    records = memory_of_claude_code().load()
    files = claude_code.settings_paths(environment(), Path.cwd())
    for path in (files[level] for level in _OWN_LEVELS):
        if str(path) not in records and (found := recognised(path)) is not None:
            records[str(path)] = found
    return records if targets is None else {str(each): records[str(each)] for each in targets}


def _names(record: Record) -> Iterator[str]:
    """Yield the credentials that the helper lines of a record ask for."""
    for change in record.changes:
        if change.path == list(claude_code.HELPER) and isinstance(change.after, str):
            name = claude_code.asked_for(change.after)
            if name is not None:
                yield name


def tell_undone(put_keys_back: bool | None, *, although_changed: bool, yes: bool) -> None:
    """Undo everything, and print what was done; *yes*: without a question.

    *put_keys_back*: also what `add` took out of files; None: asked on a terminal, else only told.
    """
    taken = load()
    if not yes:
        _confirm(list(undo_diffs()), keys=bool(put_keys_back and taken))
    may_ask = sys.stdin.isatty() and not yes
    asked = put_keys_back is not None or may_ask
    back = wanted(taken, put_keys_back) if asked else {}
    lines = undo_all()
    if back:
        keys = put_back(reach(start=True), back, although_changed=although_changed, may_ask=may_ask)
        # First: if a key cannot be put back, nothing is undone.
        lines = chain(keys, lines)
    said = False
    for line in lines:
        click.echo(line)
        said = True
    for note in notes_about({each: taken[each] for each in taken if each not in back}):
        click.echo(f"{note}: credward setup --undo --all --put-back puts it back")
    if not said:
        click.echo("nothing was set up")


def _confirm(diffs: list[str], *, keys: bool) -> None:
    """Show *diffs*, and ask; *keys*: files get their keys back."""
    for each in diffs:
        click.echo(each, nl=False)
    if not (diffs or keys):
        return
    if not sys.stdin.isatty():
        raise BrokerError(
            Kind.BAD_REQUEST,
            "nothing was undone without your yes: run credward setup --undo --all --yes",
        )
    if diffs:
        click.confirm("Undo this?", abort=True)
