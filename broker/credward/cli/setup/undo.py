"""The set-ups of tools that are recorded, and their undoing, one or all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import click

from credward.cli.setup import claude_code
from credward.cli.setup.carrying_out import execute, left_lines, restored
from credward.cli.setup.file_plan import Plan, plan_undo
from credward.cli.setup.putting_back import notes_about, put_back, wanted
from credward.cli.setup.recognising import recognised
from credward.cli.setup.record import Change, Record, memory_of_set_ups
from credward.cli.setup.taken_out import load
from credward.cli.start import reach
from credward.config import environment
from credward.errors import BrokerError, Kind

__all__ = [
    "SetUps",
    "every",
    "of_credential",
    "plans_to_undo",
    "record_of",
    "set_ups_of",
    "tell_undone",
    "undo_all",
    "undo_diffs",
]

# Without a record, a file that a repository may have brought is no set-up of ours.
_OWN_LEVELS = ("user", "local")

# Which of our changes are meant; the first is the path of their file.
SetUps = Callable[[str, Change], bool]


def every(path: str, change: Change) -> bool:  # noqa: ARG001 - it is one of `SetUps`
    """Choose all set-ups."""
    return True


def of_credential(name: str) -> SetUps:
    """Choose the set-ups for the credential *name*."""
    return lambda _, change: change.owner.credential == name


def record_of(target: Path) -> Record | None:
    """Return what we did to *target*, as recorded, else as far as it shows that itself."""
    return memory_of_set_ups().load().get(str(target)) or recognised(target)


def set_ups_of(name: str) -> dict[Path, str]:
    """Return the files in which a tool is set up for the credential *name*, with the tool."""
    return {
        Path(path): change.owner.tool
        for path, record in _records(of_credential(name)).items()
        for change in record.changes
        if change.owner.credential == name
    }


def plans_to_undo(chosen: SetUps, *, tool: str = "") -> list[Plan]:
    """Return what undoes the *chosen* set-ups, of *tool* alone if it is named.

    Raise `fix-configuration` for a file that cannot be read.
    """

    def meant(path: str, change: Change) -> bool:
        return tool in {"", change.owner.tool} and chosen(path, change)

    return [_plan(path, record, meant) for path, record in _records(meant).items()]


def undo_all(chosen: SetUps = every) -> Iterator[str]:
    """Return what undoes the *chosen* set-ups, a line for each step.

    Before that it is tried without a change: raise `fix-configuration` for a file that cannot be
    read.
    """
    planned = plans_to_undo(chosen)
    return chain.from_iterable(_undo(plan, chosen) for plan in planned)


def undo_diffs(chosen: SetUps = every) -> Iterator[str]:
    """Yield what `undo_all` would change, a diff for each file that it changes."""
    yield from filter(None, (plan.diff() for plan in plans_to_undo(chosen)))


def _undo(planned: Plan, chosen: SetUps) -> Iterator[str]:
    path, memory = str(planned.target), memory_of_set_ups()
    records = memory.load()
    assert planned.earlier is not None
    # An undo before this one may have left a directory to it.
    plan = _plan(path, records.get(path, planned.earlier), chosen)
    execute(plan, records)
    memory.save(records)
    yield f"{plan.target}: {restored(plan.after) if plan.whole else 'our settings are gone'}"
    if plan.rest is None and plan.earlier is not None:
        yield from left_lines(plan.earlier)


def _plan(path: str, record: Record, chosen: SetUps) -> Plan:
    return plan_undo(Path(path), record, lambda change: chosen(path, change))


def _records(chosen: SetUps) -> dict[str, Record]:
    """Return what we did to files of the *chosen* set-ups, by path."""
    records = memory_of_set_ups().load()
    files = claude_code.settings_paths(environment(), Path.cwd())
    for path in (files[level] for level in _OWN_LEVELS):
        if str(path) not in records and (found := recognised(path)) is not None:
            records[str(path)] = found
    return {
        path: record
        for path, record in records.items()
        if any(chosen(path, change) for change in record.changes)
    }


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


def _confirm(diffs: Sequence[str], *, keys: bool) -> None:
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
