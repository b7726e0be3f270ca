"""What a set-up would do to one file: from which text to which, and whose members that changes.

Changes nothing; the tools say what they want, `carrying_out` does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from credward.cli.setup import settings_file
from credward.cli.setup.editors import FileKind, editor_of
from credward.cli.setup.record import Change, Owner, Record
from credward.cli.setup.unreadable import UnreadableError
from credward.errors import BrokerError, Kind

__all__ = ["Chosen", "Plan", "Wish", "plan_undo", "plan_wish"]

# Which of our changes to undo.
Chosen = Callable[[Change], bool]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the file *target* is to hold for the set-up *owner*: values by path."""

    target: Path
    kind: FileKind
    owner: Owner
    members: Mapping[tuple[str, ...], Any]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The planned state of the file *target*; *after* None: no file.

    *changes*: what we do; none for an undo, which is of what *earlier* says, what we did before.
    *whole*: it becomes exactly the original. *rest*: what stays ours after an undo of a part.
    """

    target: Path
    before: str
    after: str | None
    changed: bool
    kind: FileKind = "json"
    changes: list[Change] | None = None
    earlier: Record | None = None
    whole: bool = False
    rest: Record | None = None

    def diff(self) -> str:
        """Return the change for people."""
        written = [
            line
            for each in self.changes or []
            for line in editor_of(self.kind).lines_of(tuple(each.path), each.after)
        ]
        return settings_file.diff(self.target, self.before, self.after or "", written)


def plan_wish(wish: Wish, earlier: Record | None) -> Plan:
    """Return what fulfils *wish*; *earlier*: what we did to the file.

    Raise `fix-configuration` for a file that cannot be edited.
    """
    before = settings_file.read(wish.target)
    try:
        after, changes = settings_file.apply(
            before, wish.members, earlier, wish.owner, kind=wish.kind
        )
    except UnreadableError as error:
        raise uneditable(wish.target, error) from error
    return Plan(
        target=wish.target,
        before=before,
        after=after,
        changed=after != before,
        kind=wish.kind,
        changes=changes,
        earlier=earlier,
    )


def plan_undo(target: Path, record: Record, chosen: Chosen = lambda _: True) -> Plan:
    """Return what takes the *chosen* ones of our changes out of the file, the last ones exactly.

    Raise `fix-configuration` for a file that cannot be edited.
    """
    before = settings_file.read(target)
    kept = [each for each in record.changes if not chosen(each)]
    rest, whole = None, False
    after: str | None
    try:
        if kept and target.exists():
            gone = [each for each in record.changes if chosen(each)]
            after = settings_file.without(before, gone, record.kind)
            rest = record.left(kept, before, after)
        else:
            after, whole = settings_file.undone(target, before, record)
    except UnreadableError as error:
        raise uneditable(target, error) from error
    changed = target.exists() if after is None else after != before
    return Plan(
        target=target,
        before=before,
        after=after,
        changed=changed,
        kind=record.kind,
        earlier=record,
        whole=whole,
        rest=rest,
    )


def uneditable(path: Path, error: UnreadableError) -> BrokerError:
    """Return the error for a file that is not in its format."""
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{path}" {error}: correct it, nothing was changed')
