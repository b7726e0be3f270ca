"""The ancestors of a parent process, kept and checked again for each request (Linux).

For each ancestor we keep a process handle, its `exe` link and its `comm`; each belongs to one
process for good. A chain is valid while no handle reports an end and the facts that count (program
and name, read from the kernel now) are the same. An ancestor that differs is forgotten, with all
below it, and read again. The peer itself is up to `linux_peer`; the walk that keeps nothing is
`ancestry`.

Why that is enough:

* A process keeps its parent while both live. Above the agent and the nearest harness it only counts
  that they live.
* A pid is reused only after its process was reaped, and the handle reports the end before that.
* An exec or a rename of a process that counts shows in `exe` or `comm`.
* If we see an end late, we see more ancestors, not fewer, and a harness only restricts.
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
# We remember parents with too many ancestors, so that nobody makes us walk up in vain.
_MOST_DEEP = 256


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One ancestor: descriptors of its *handle*, `exe` and `comm`, and what the last two say.

    *link*: the path of its program as it was read, None if we may not see it.
    """

    pid: int
    stat: Stat
    link: bytes | None
    name: bytes
    handle: int
    exe: int
    comm: int

    def __repr__(self) -> str:
        return f"_Kept({self.pid})"

    @property
    def path(self) -> str | None:
        """The path of its program."""
        return None if self.link is None else os.fsdecode(self.link)

    def is_as_before(self) -> bool:
        """Whether it is still the same program with the same name."""
        try:
            if os.pread(self.comm, _NAME, 0) != self.name:
                return False
            if self.link is not None:
                return os.readlink(b"", dir_fd=self.exe) == self.link
        except OSError:
            return False
        return _read_link(self.exe) is None

    def close(self) -> None:
        for descriptor in (self.handle, self.exe, self.comm):
            os.close(descriptor)


class _Chain(msgspec.Struct, frozen=True):
    """The facts from all ancestors, and which of these must not have changed."""

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
        """Return the facts above *pid*, whose *stat* was just read; None if uncertain."""
        chain = self._chains.get(stat.parent)
        if chain is not None:
            changed = [each.pid for each in chain.counting if not each.is_as_before()]
            # Check for ends last: then all that was read before was about these processes.
            ended = self._ended()
            if not changed and not ended:
                return chain.above
            self._forget({*changed, *ended})
            if self._chains.get(stat.parent) is chain:
                return chain.above
        learned = self._learn(pid, stat)
        return None if learned is None else learned.above

    def close(self) -> None:
        """Keep nothing."""
        self._forget(set(self._kept))

    def _ended(self) -> set[int]:
        """Return those that have ended."""
        return {self._by_handle[handle] for handle, _ in self._ends.poll(0)}

    def _forget(self, pids: Collection[int]) -> None:
        """Forget these, the kept ones below them, and every chain that holds one of them."""
        gone = set(pids)
        while below := {
            pid for pid, each in self._kept.items() if each.stat.parent in gone and pid not in gone
        }:
            gone |= below
        for pid in gone & self._kept.keys():
            kept = self._kept.pop(pid)
            # A chain holds its key, and all above that.
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
                # Many callers with different parents: start again, with this one.
                self._forget(set(self._kept))
                return self._learn(pid, stat)
            parent = self._keep(child_stat.parent)
            # Asked after we had the parent's handle: so it is that process, not a later owner of
            # its pid.
            again = None if parent is None else self._processes.stat(child)
            if (
                parent is None
                or again is None
                or (again.parent, again.start_time) != (parent.pid, child_stat.start_time)
            ):
                # The child may be kept with a parent that is no longer its parent.
                self._forget({child})
                return None
            found.append(parent)
            child, child_stat = parent.pid, parent.stat
        # Some were kept before: their facts may have changed.
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
    """Open one; None if any part cannot be opened."""
    descriptors: list[int] = []
    with suppress(OSError):
        descriptors.append(os.pidfd_open(pid))
        # The link itself; its target is read each time.
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptors.append(os.open(f"/proc/{pid}/exe", flags))
        descriptors.append(os.open(f"/proc/{pid}/comm", os.O_RDONLY | os.O_CLOEXEC))
        handle, exe, comm = descriptors
        name, link = os.pread(comm, _NAME, 0), _read_link(exe)
        if name and (stat := read_stat(pid)) is not None:
            # One reading of the name: what is concluded from it is what is compared later.
            shown = name.removesuffix(b"\n").decode("utf-8", "replace")
            stat = Stat(shown, stat.parent, stat.start_time)
            return _Kept(
                pid=pid, stat=stat, link=link, name=name, handle=handle, exe=exe, comm=comm
            )
    for each in descriptors:
        os.close(each)
    return None


def _read_link(descriptor: int) -> bytes | None:
    try:
        return os.readlink(b"", dir_fd=descriptor)
    except OSError:
        # Of another user, or of one whose first thread has ended.
        return None
