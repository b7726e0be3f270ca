"""What is above a parent process, kept and proved anew for each request (Linux).

Kept of each ancestor: a process handle, its `exe` link and its `comm`, each of which belongs to one
process for good. A chain stands while all handles are silent and the facts that count are what they
were, which the kernel says each time; whatever differs has everything forgotten and learned anew.
Who the peer itself is, is `linux_peer`; a walk that keeps nothing, `ancestry`.

Why that is enough:

* A living process keeps its parent while that lives (credentials(7), wait(2)), so a link that was
  seen once stands while both are alive. It was seen after the parent's handle was opened.
* A pid is given away only after its process was reaped, and a handle tells of the end before that.
* An exec or a rename of a process that counts shows in `exe` or `comm`, which are read anew. Above
  the agent and the nearest harness nothing but life counts.
* A death that is seen late shows more ancestors, not fewer, and a harness only restricts.
"""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from dataclasses import dataclass

from credward.callers.ancestry import DEEPEST, Above, Stat, ancestor, conclude
from credward.callers.linux import Processes, read_stat

__all__ = ["Chains"]

# The kernel keeps 15 characters of a name.
_COMM = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """One ancestor: descriptors of its handle, `exe` (-1: none) and `comm`, and what they said."""

    stat: Stat
    pid: int
    handle: int
    exe: int
    comm: int
    path: str | None
    name: bytes

    def is_as_before(self) -> bool:
        """Whether it still is the program that it was, by the kernel's word of now."""
        return _read_name(self.comm) == self.name and _read_path(self.exe) == self.path

    def close(self) -> None:
        for descriptor in (self.handle, self.exe, self.comm):
            if descriptor >= 0:
                os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Chain:
    """What was concluded of all that is above, and who has to be as before for that."""

    above: Above
    counting: Sequence[_Kept]


class Chains:
    """At most *most* processes are kept, with three descriptors each."""

    def __init__(self, processes: Processes, *, most: int) -> None:
        self._processes = processes
        self._most = most
        self._kept: dict[int, _Kept] = {}
        self._chains: dict[int, _Chain] = {}
        self._ends = select.epoll()

    def above(self, pid: int, stat: Stat) -> Above | None:
        """Return what is above *pid*, whose *stat* was read just now; None where it is not sure."""
        chain = self._chains.get(stat.parent)
        if chain is not None and self._stands(chain):
            return chain.above
        if chain is not None:
            self.forget()
        learned = self._learn(pid, stat)
        return None if learned is None else learned.above

    def forget(self) -> None:
        """Keep nothing."""
        self._chains.clear()
        while self._kept:
            self._kept.popitem()[1].close()

    def close(self) -> None:
        """Keep nothing more."""
        self.forget()
        self._ends.close()

    def _stands(self, chain: _Chain) -> bool:
        # Life last: what was read before was of these very processes then.
        return all(each.is_as_before() for each in chain.counting) and not self._ends.poll(0)

    def _learn(self, pid: int, stat: Stat) -> _Chain | None:
        found: list[_Kept] = []
        child, child_stat = pid, stat
        while child_stat.parent != 0:
            parent = self._keep(child_stat.parent)
            # Asked after the parent's handle was there: it was that process, and no later owner of
            # its pid.
            again = None if parent is None else self._processes.stat(child)
            if (
                parent is None
                or again is None
                or (again.parent, again.start_time) != (parent.pid, child_stat.start_time)
                or len(found) == DEEPEST
            ):
                self.forget()
                return None
            found.append(parent)
            child, child_stat = parent.pid, parent.stat
        if len(self._kept) > self._most or self._ends.poll(0):
            self.forget()
            return None
        ancestors = [ancestor(each.pid, each.stat, each.path) for each in found]
        above, counting = conclude(ancestors)
        chain = _Chain(above, found[:counting])
        self._chains[stat.parent] = chain
        return chain

    def _keep(self, pid: int) -> _Kept | None:
        if (kept := self._kept.get(pid)) is not None:
            return kept
        if (opened := _open(pid)) is None:
            return None
        self._kept[pid] = opened
        self._ends.register(opened.handle, select.EPOLLIN)
        return opened


def _open(pid: int) -> _Kept | None:
    descriptors: list[int] = []
    try:
        descriptors.append(os.pidfd_open(pid))
        descriptors.append(os.open(f"/proc/{pid}/comm", os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        for each in descriptors:
            os.close(each)
        return None
    handle, comm = descriptors
    try:
        # The link itself; where it leads is read each time.
        exe = os.open(f"/proc/{pid}/exe", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        exe = -1
    name = _read_name(comm)
    stat = _read_stat(pid, name)
    if stat is None:
        for each in (handle, comm, exe):
            if each >= 0:
                os.close(each)
        return None
    return _Kept(
        stat=stat,
        pid=pid,
        handle=handle,
        exe=exe,
        comm=comm,
        path=_read_path(exe),
        name=name,
    )


def _read_stat(pid: int, name: bytes) -> Stat | None:
    """Return the stat with the name that is compared later, whatever it is called meanwhile."""
    stat = read_stat(pid)
    if stat is None or not name:
        return None
    return Stat(name[:-1].decode("utf-8", "replace"), stat.parent, stat.start_time)


def _read_name(descriptor: int) -> bytes:
    try:
        return os.pread(descriptor, _COMM, 0)
    except OSError:
        return b""


def _read_path(descriptor: int) -> str | None:
    if descriptor < 0:
        return None
    try:
        return os.readlink("", dir_fd=descriptor)
    except OSError:
        return None
