"""Shows what set-ups plan, asks, changes the files and remembers that; for every tool the same.

`file_plan` decides on each file, the tools say which ones.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from credward.cli.output import say
from credward.cli.recording import record_places
from credward.cli.setup import settings_file
from credward.cli.setup.allowing import Allowing
from credward.cli.setup.file_plan import Plan
from credward.cli.setup.record import Record, memory_of_set_ups
from credward.errors import BrokerError, Kind

__all__ = ["How", "change", "execute", "left_lines", "restored"]


class How(msgspec.Struct, frozen=True, kw_only=True):
    """How a change is made: only shown, without a question, told to a program."""

    dry_run: bool
    yes: bool
    as_json: bool


def change(
    plans: Sequence[Plan],
    how: How,
    *,
    notes: Iterable[str] = (),
    last: Iterable[str] = (),
    allowing: Allowing | None = None,
) -> dict[str, Any]:
    """Show, confirm and carry out what is planned; return the facts for programs.

    *notes* are shown before a change, *last* after it. *allowing* is a change of our configuration.
    """
    diffs = [*(each.diff() for each in plans), *([allowing.diff()] if allowing else [])]
    backups: list[Path | None] = [None] * len(plans)
    lines = []
    if not how.as_json:
        _show(plans, diffs, notes)
    if how.dry_run:
        lines = ["dry run: nothing was changed"]
    else:
        targets = [each.target for each in plans if each.changed]
        if targets or allowing:
            _confirm([*targets, *([allowing.file] if allowing else [])], how)
        if allowing is not None:
            lines.append(allowing.carry_out())
        backups = [_remembered(each) for each in plans]
        if any(each.changes is not None for each in plans):
            record_places()
        lines += [line for each in zip(plans, backups, strict=True) for line in _done(*each)]
        lines += last if targets else ()
    if not how.as_json:
        click.echo("\n".join(lines))
    facts = [_facts(*each) for each in zip(plans, backups, strict=True)]
    return {
        **(facts[0] if facts else {}),
        "files": facts,
        "diff": "\n".join(diffs),
        "allowed": list(allowing.words) if allowing else [],
    }


def _remembered(plan: Plan) -> Path | None:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    memory = memory_of_set_ups()
    records = memory.load()
    backup = execute(plan, records, stamp=stamp)
    if plan.changes is None or plan.changed or plan.earlier is not None:
        memory.save(records)
    return backup


def execute(plan: Plan, records: dict[str, Record], *, stamp: str | None = None) -> Path | None:
    """Write the file, note in *records* what we did to it, and return its backup.

    *stamp*: for a backup of what is no longer ours alone.
    """
    key, record = str(plan.target), plan.earlier
    if plan.changes is None:
        records.pop(key, None)
    elif record is not None:
        # Also if nothing changes: the record may have been lost.
        records.setdefault(key, record)
    if plan.rest is not None:
        records[key] = plan.rest
        stamp = None
    if plan.whole and record is not None:
        settings_file.put_back(plan.target, plan.after, record, records)
        return None
    if not plan.changed or plan.after is None:
        return None
    replaced = settings_file.replace(plan.target, plan.after, stamp=stamp)
    if plan.changes is not None:
        records[key] = Record.of(
            record, plan.before, plan.after, plan.changes, replaced, kind=plan.kind
        )
    return replaced.backup


def restored(after: str | None) -> str:
    """Return that a file is what it was before us; *after*: its text, None if there was no file."""
    return "removed, there was no file before" if after is None else "as it was before"


def left_lines(record: Record) -> Iterator[str]:
    """Yield a line for each backup that is still there after an undo, as its user may need it."""
    for backup in filter(lambda each: Path(each).exists(), record.backups):
        yield f"an earlier state stays, delete it if you do not need it: {backup}"


def _show(plans: Sequence[Plan], diffs: Sequence[str], notes: Iterable[str]) -> None:
    if any(each.changed for each in plans):
        for note in notes:
            say(note, err=False)
    for diff in filter(None, diffs):
        click.echo(diff)


def _confirm(targets: Sequence[Path], how: How) -> None:
    names = " and ".join(map(str, targets))
    if how.yes:
        return
    if not sys.stdin.isatty():
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{names}" was not changed without your yes: run this again with --yes',
        )
    click.confirm(f"Change {names}?", abort=True)


def _done(plan: Plan, backup: Path | None) -> Iterator[str]:
    if not plan.changed:
        yield f"{plan.target}: nothing to do"
    elif plan.whole:
        yield f"{plan.target}: {restored(plan.after)}"
    else:
        yield f"{plan.target}: changed" + (f", the old one is {backup}" if backup else "")
        if plan.changes is None and plan.rest is None and plan.earlier is not None:
            yield from left_lines(plan.earlier)


def _facts(plan: Plan, backup: Path | None) -> dict[str, Any]:
    return {
        "file": str(plan.target),
        "changed": plan.changed,
        "backup": str(backup) if backup else None,
    }
