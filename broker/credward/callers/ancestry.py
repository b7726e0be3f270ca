"""Walk up the ancestors of a process: who really asks, whether a harness or relay is among them.

Every step is checked twice, because pids are reused: a fact that changed during the check is left
out. How to read one process is up to the platform (`linux`, `macos`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from credward.callers.caller import Ancestor, Process
from credward.callers.programs import harness_name, is_transparent, relay_name

__all__ = [
    "DEEPEST",
    "Above",
    "Ancestry",
    "ProcessTable",
    "Stat",
    "ancestor",
    "below",
    "conclude",
    "walk",
]

# No real chain is deeper; a loop in a broken process table must end too.
DEEPEST = 64


class Stat(msgspec.Struct, frozen=True):
    """One process at one moment; *start_time* as in `Process`, *parent* is 0 at the very top."""

    name: str
    parent: int
    start_time: int


class ProcessTable(Protocol):
    """The processes of this machine now; None for one that is hidden or gone."""

    def stat(self, pid: int) -> Stat | None:
        """Return name, parent and start time."""
        ...

    def path(self, pid: int) -> str | None:
        """Return the path of the program file: good for names, proves nothing."""
        ...

    def sees(self, pid: int) -> bool:
        """Return whether the program file is certain."""
        ...


class Ancestry(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about a process and its ancestors; `Caller` explains the fields."""

    agent: Process | None
    harness: str | None
    relay: str | None
    ancestors: tuple[Ancestor, ...]
    complete: bool


class _Seen(msgspec.Struct, frozen=True, kw_only=True):
    pid: int
    stat: Stat
    path: str | None
    # Whether its program is certain; only checked where it matters.
    seen: bool


class Above(msgspec.Struct, frozen=True, kw_only=True):
    """Facts from the ancestors of a process; `Caller` explains the fields."""

    agent: Process | None
    harness: str | None
    ancestors: tuple[Ancestor, ...]


def ancestor(pid: int, stat: Stat, path: str | None) -> _Seen:
    """Return one process of a chain, whose program need not be certain."""
    return _Seen(pid=pid, stat=stat, path=path, seen=False)


def conclude(ancestors: Sequence[_Seen]) -> tuple[Above, int]:
    """Return the facts from *ancestors*, nearest first, and how many of them count.

    Those up to the agent and the nearest harness count; without a harness, all do. A program above
    them makes no difference.
    """
    names = [harness_name(each.stat.name, each.path) for each in ancestors]
    asks = next((at for at, each in enumerate(ancestors) if _asks(each)), None)
    harness = next((at for at, name in enumerate(names) if name is not None), None)
    above = Above(
        agent=None if asks is None else _process(ancestors[asks]),
        harness=None if harness is None else names[harness],
        ancestors=tuple(Ancestor(each.pid, each.stat.start_time) for each in ancestors),
    )
    counting = len(ancestors) if harness is None or asks is None else max(harness, asks) + 1
    return above, counting


def below(pid: int, stat: Stat, path: str | None, above: Above) -> Ancestry:
    """Return the facts about *pid* and all that is *above* it; only it may be the relay."""
    own = harness_name(stat.name, path)
    itself = Process(pid=pid, start_time=stat.start_time, name=stat.name)
    return Ancestry(
        agent=above.agent if own is None else itself,
        harness=own or above.harness,
        relay=relay_name(stat.name, path),
        ancestors=above.ancestors,
        complete=True,
    )


def walk(
    pid: int,
    stat: Stat,
    path: str | None,
    processes: ProcessTable,
    *,
    seen: bool,
    relays_above: bool,
) -> Ancestry:
    """Return the facts about *pid* and its ancestors; the caller read its *stat* and *path*.

    *seen*: its program is certain. Otherwise *relays_above* says whether a relay above it counts
    too, up to the first program that is certain: an ssh login has `sshd` above its shell, and is no
    relay.
    """
    seek = relays_above and not seen
    ancestors, complete = _climb(pid, stat, processes, look_closely=seek)
    above, _ = conclude(ancestors)
    found = below(pid, stat, path, above)
    relay = found.relay or (_relay(ancestors) if seek else None)
    return msgspec.structs.replace(found, relay=relay, complete=complete)


def _climb(
    pid: int, stat: Stat, processes: ProcessTable, *, look_closely: bool
) -> tuple[list[_Seen], bool]:
    """Return the ancestors, nearest first, and whether that is all of them."""
    found: list[_Seen] = []
    child, child_stat = pid, stat
    for _ in range(DEEPEST):
        parent = child_stat.parent
        if parent == 0:
            # The top: init, or the first process of our pid namespace.
            return found, True
        parent_stat = processes.stat(parent)
        if parent_stat is None:
            break
        path = processes.path(parent)
        seen = look_closely and processes.sees(parent)
        # We read the right parent only if the child still names it: a pid is not reused while a
        # living child names it as its parent.
        again = processes.stat(child)
        if again is None or (again.parent, again.start_time) != (parent, child_stat.start_time):
            break
        found.append(_Seen(pid=parent, stat=parent_stat, path=path, seen=seen))
        child, child_stat = parent, parent_stat
    return found, False


def _asks(ancestor: _Seen) -> bool:
    return ancestor.pid != 1 and not is_transparent(ancestor.stat.name, ancestor.path)


def _process(ancestor: _Seen) -> Process:
    stat = ancestor.stat
    return Process(pid=ancestor.pid, start_time=stat.start_time, name=stat.name)


def _relay(ancestors: list[_Seen]) -> str | None:
    for each in ancestors:
        name = relay_name(each.stat.name, each.path)
        if name is not None or each.seen:
            return name
    return None
