"""What is above a parent process, kept and proved anew for each request (Linux).

Kept of each ancestor: a process handle, its `exe` link and its `comm`, each of which belongs to one
process for good. A chain stands while all handles are silent and the facts that count are what they
were: program and name, by the kernel's word of now. What differs, and whatever is below it, is
forgotten and learned anew. Who the peer itself is, is `linux_peer`; a walk that keeps nothing is
`ancestry`.

Why that is enough:

* A process keeps its parent while both live. Above the agent and the nearest harness nothing but
  life counts.
* A pid is given away only after its process was reaped, and a handle tells of the end before that.
* An exec or a rename of a process that counts shows in `exe` or `comm`.
* A death that is seen late shows more ancestors, not fewer, and a harness only restricts.
"""

from __future__ import annotations

import os
import select
from collections.abc import Collection, Sequence
from contextlib import suppress

import msgspec

from credward.callers.ancestry import DEEPEST, Above, Stat, ancestor, conclude
from credward.callers.linux import Processes, read_stat

__all__ = ["Chains"]

# A name is 15 bytes and a line break (TASK_COMM_LEN); those of the kernel's own may be longer.
_NAME = 64
# Parents that had too much above them are remembered, so that nobody makes us climb in vain.
_MOST_DEEP = 256


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One ancestor: descriptors of its *handle*, `exe` and `comm`, and what the last two said."""

    pid: int
    stat: Stat
    path: str | None
    name: str
    handle: int
    exe: int
    comm: int

    def is_as_before(self) -> bool:
        """Whether it still is the program that it was, by the same name."""
        return _read_name(self.comm) == self.name and _read_path(self.exe) == self.path

    def close(self) -> None:
        for descriptor in (self.handle, self.exe, self.comm):
            os.close(descriptor)


class _Chain(msgspec.Struct, frozen=True):
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
        self._by_handle: dict[int, int] = {}
        self._deep: set[int] = set()
        self._ends = select.epoll()

    def above(self, pid: int, stat: Stat) -> Above | None:
        """Return what is above *pid*, whose *stat* was read just now; None where it is not sure."""
        chain = self._chains.get(stat.parent)
        if chain is not None:
            changed = {each.pid for each in chain.counting if not each.is_as_before()}
            # Life last: what was read before was of these very processes then.
            self._forget(changed | self._ended())
            if self._chains.get(stat.parent) is chain:
                return chain.above
        learned = self._learn(pid, stat)
        return None if learned is None else learned.above

    def close(self) -> None:
        """Keep nothing."""
        self._forget(set(self._kept))

    def _ended(self) -> set[int]:
        """Return who has ended."""
        return {self._by_handle[handle] for handle, _ in self._ends.poll(0)}

    def _forget(self, pids: Collection[int]) -> None:
        """Forget these, those that are kept below them, and every chain with one of them in it."""
        gone = set(pids)
        while below := {
            pid for pid, each in self._kept.items() if each.stat.parent in gone and pid not in gone
        }:
            gone |= below
        for pid in gone & self._kept.keys():
            kept = self._kept.pop(pid)
            # A chain has its key in it, and all above that.
            self._chains.pop(pid, None)
            del self._by_handle[kept.handle]
            self._ends.unregister(kept.handle)
            kept.close()

    def _learn(self, pid: int, stat: Stat) -> _Chain | None:
        if stat.parent in self._deep:
            return None
        self._forget(self._ended())
        found: list[_Kept] = []
        child, child_stat = pid, stat
        while child_stat.parent != 0:
            if len(found) == min(self._most, DEEPEST):
                self._deep = {*(self._deep if len(self._deep) < _MOST_DEEP else ()), stat.parent}
                return None
            if child_stat.parent not in self._kept and len(self._kept) >= self._most:
                # Callers with different parents, one after another: begin anew, with this one.
                self._forget(set(self._kept))
                return self._learn(pid, stat)
            parent = self._keep(child_stat.parent)
            # Asked after the parent's handle was there: it was that process, and no later owner of
            # its pid.
            again = None if parent is None else self._processes.stat(child)
            if parent is None or again is None or again.parent != parent.pid:
                # The child may be kept, with a parent that it has no more.
                self._forget({child})
                return None
            if again.start_time != child_stat.start_time:
                return None
            found.append(parent)
            child, child_stat = parent.pid, parent.stat
        # Some were kept before: what they said then may have changed.
        changed = {each.pid for each in found if not each.is_as_before()}
        self._forget(changed | self._ended())
        if any(self._kept.get(each.pid) is not each for each in found):
            return None
        above, counting = conclude([ancestor(each.pid, each.stat, each.path) for each in found])
        chain = _Chain(above, found[:counting])
        if found:
            self._chains[stat.parent] = chain
        return chain

    def _keep(self, pid: int) -> _Kept | None:
        if (kept := self._kept.get(pid)) is not None:
            return kept
        if (opened := _open(pid)) is None:
            return None
        try:
            self._ends.register(opened.handle, select.EPOLLIN)
        except OSError:
            opened.close()
            return None
        self._kept[pid] = opened
        self._by_handle[opened.handle] = pid
        return opened


def _open(pid: int) -> _Kept | None:
    """Open one; None where any of it cannot be had."""
    descriptors: list[int] = []
    with suppress(OSError):
        descriptors.append(os.pidfd_open(pid))
        # The link itself; where it leads is read each time.
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptors.append(os.open(f"/proc/{pid}/exe", flags))
        descriptors.append(os.open(f"/proc/{pid}/comm", os.O_RDONLY | os.O_CLOEXEC))
        handle, exe, comm = descriptors
        name, path = _read_name(comm), _read_path(exe)
        # Read after the name: where one was taken between the two, the next look finds another.
        if name and (stat := read_stat(pid)) is not None:
            return _Kept(
                pid=pid, stat=stat, path=path, name=name, handle=handle, exe=exe, comm=comm
            )
    for each in descriptors:
        os.close(each)
    return None


def _read_name(comm: int) -> str:
    """Return the name, byte for byte; empty once it has ended."""
    try:
        return os.pread(comm, _NAME, 0).decode("latin-1")
    except OSError:
        return ""


def _read_path(descriptor: int) -> str | None:
    try:
        return os.readlink("", dir_fd=descriptor)
    except OSError:
        # Of another user, or of one whose first thread has ended.
        return None
