"""Who asked, in the words of people: the name of a harness or program, and the process to look for.

Names are for `status` only and prove nothing; `policy` decides by the facts themselves.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from credward.callers.caller import Ancestor, Caller
from credward.callers.programs import UNKNOWN_HARNESS, is_terminal, is_transparent

__all__ = ["Asker", "asker_of"]

# An interpreter's version tells nobody who asked.
_VERSIONED = re.compile(r"(python|pypy|ruby|perl|node|lua)[0-9.]+")
# Node.js names its process after a thread.
_THREADS = {"node-MainThread": "node", "MainThread": "node"}
_SHELL = "a shell"
# Which programs read it, nobody knows.
_FILE = "a file"


class Asker(NamedTuple):
    """*process* works in the folder that people know; None if the kernel names none."""

    name: str
    process: Ancestor | None


def asker_of(caller: Caller) -> Asker:
    """Return the harness; without one the program that asks, not the helper that it runs.

    A command that somebody types asks for its shell, whose terminal says nothing.
    """
    if caller.is_daemon:
        return Asker(_FILE, None)
    agent = caller.agent
    above = None if agent is None else Ancestor(agent.pid, agent.start_time)
    itself = _itself(caller)
    if caller.harness not in {None, UNKNOWN_HARNESS}:
        return Asker(str(caller.harness), above or itself)
    if not _is_helper(caller):
        return Asker(_name(caller), itself)
    parent = caller.ancestors[0] if caller.ancestors else None
    if agent is not None and (above == parent or not is_terminal(agent.name)):
        return Asker(_plain(agent.name), above)
    return Asker(_name(caller), itself) if parent is None else Asker(_SHELL, parent)


def _itself(caller: Caller) -> Ancestor | None:
    if caller.pid is None or caller.start_time is None:
        return None
    return Ancestor(caller.pid, caller.start_time)


def _is_helper(caller: Caller) -> bool:
    path = caller.executable.path if caller.executable else None
    return is_transparent(caller.name or "", path)


def _name(caller: Caller) -> str:
    if caller.name is not None:
        return _plain(caller.name)
    return caller.executable.path.rpartition("/")[2] if caller.executable else "unknown program"


def _plain(name: str) -> str:
    found = _VERSIONED.fullmatch(name)
    return found[1] if found else _THREADS.get(name, name)
