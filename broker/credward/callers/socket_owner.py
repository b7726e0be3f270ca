"""Which process holds a socket (Linux): a look through /proc, which takes time.

Nobody but the kernel says which descriptors a process has, and only its own user may ask. A socket
that two processes hold belongs to nobody for us: either could have written on it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import msgspec

__all__ = ["SocketHolder", "find_holder", "holds"]


class SocketHolder(msgspec.Struct, frozen=True, kw_only=True):
    """The process *pid*, whose descriptor number *descriptor* is the socket."""

    pid: int
    descriptor: int


def find_holder(inode: int, uid: int) -> SocketHolder | None:
    """Return the one process of *uid* that holds the socket *inode*; None if that is uncertain.

    Processes whose descriptors we may not see do not count.
    """
    wanted, found = b"socket:[%d]" % inode, None
    for pid in _processes_of(uid):
        descriptor = _descriptor(pid, wanted)
        if descriptor is None:
            continue
        if found is not None:
            return None
        found = SocketHolder(pid=pid, descriptor=descriptor)
    return found


def holds(holder: SocketHolder, inode: int) -> bool:
    """Return whether it is still so."""
    path = b"/proc/%d/fd/%d" % (holder.pid, holder.descriptor)
    try:
        return os.readlink(path) == b"socket:[%d]" % inode  # noqa: PTH115 - bytes
    except OSError:
        return False


def _processes_of(uid: int) -> Iterator[int]:
    with os.scandir("/proc") as entries:
        for each in entries:
            if each.name.isdigit():
                with contextlib.suppress(OSError):
                    if each.stat().st_uid == uid:
                        yield int(each.name)


def _descriptor(pid: int, wanted: bytes) -> int | None:
    folder = b"/proc/%d/fd" % pid
    try:
        names = os.listdir(folder)  # noqa: PTH208 - bytes, and names are enough
    except OSError:
        return None
    for name in names:
        with contextlib.suppress(OSError):
            if os.readlink(folder + b"/" + name) == wanted:  # noqa: PTH115 - bytes
                return int(name)
    return None
