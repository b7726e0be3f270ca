"""Walk up from a process: the nearest ancestor that really asks, and whether a harness is above.

Every step is checked twice, because pids are reused: what changed under the look is absent.
"""

from __future__ import annotations

from dataclasses import dataclass

from credward.callers import linux
from credward.callers.caller import Process
from credward.callers.programs import harness_name, is_transparent

__all__ = ["Ancestry", "walk"]

# Nobody nests deeper; a loop in a broken /proc must end too.
_DEEPEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestry:
    """What stands above a process; *pids* from the parent up."""

    agent: Process | None
    harness: str | None
    pids: tuple[int, ...]
    complete: bool


def walk(pid: int, stat: linux.Stat, files: linux.StatFiles) -> Ancestry:
    """Return what is above *pid*, whose own *stat* was read by the caller."""
    agent: Process | None = None
    harness: str | None = None
    pids: list[int] = []
    child, child_stat = pid, stat
    for _ in range(_DEEPEST):
        parent = child_stat.parent
        if parent == 0:
            # The end of the line: init, or the first process of our pid namespace.
            return Ancestry(agent=agent, harness=harness, pids=tuple(pids), complete=True)
        parent_stat = files.read(parent)
        if parent_stat is None:
            break
        path = linux.program_path(parent)
        # Only if the child still names this parent was it the parent's pid that we looked at: a
        # pid is not reused while a living child names it as its parent.
        again = linux.read_stat(child) if child == pid else files.read(child)
        if again is None or (again.parent, again.start_time) != (parent, child_stat.start_time):
            break
        pids.append(parent)
        if harness is None:
            harness = harness_name(parent_stat.name, path)
        if agent is None and parent != 1 and not is_transparent(parent_stat.name, path):
            agent = Process(pid=parent, start_time=parent_stat.start_time, name=parent_stat.name)
        child, child_stat = parent, parent_stat
    return Ancestry(agent=agent, harness=harness, pids=tuple(pids), complete=False)
