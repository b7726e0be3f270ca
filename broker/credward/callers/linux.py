"""What Linux says of a process: /proc, read so that a reused pid cannot slip in.

Facts only, absent where they cannot be established; who the peer is comes from `identify`.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

from credward.callers.caller import Executable

__all__ = [
    "Stat",
    "StatFiles",
    "executable",
    "is_dead",
    "mount_namespace",
    "peer_credentials",
    "peer_handle",
    "program_path",
    "read_stat",
    "variables",
]

# Beyond this nobody looks for a mark (bytes).
_MOST_ENVIRONMENT = 1 << 20
# asm-generic/socket.h; Linux 6.5 and later. The socket module has no name for it.
_SO_PEERPIDFD = 77
_CREDENTIALS = struct.Struct("3i")
_DESCRIPTOR = struct.Struct("i")


@dataclass(frozen=True, slots=True)
class Stat:
    """What /proc/PID/stat says (proc(5)); *start_time* is in clock ticks since boot."""

    name: str
    parent: int
    start_time: int


def peer_credentials(peer: socket.socket) -> tuple[int, int, int]:
    """Return pid, uid and gid as of `connect` (unix(7), SO_PEERCRED), in our namespaces."""
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    return pid, uid, gid


def peer_handle(peer: socket.socket) -> int | None:
    """Return a pidfd of whoever connected; None where the kernel has no such thing."""
    try:
        raw = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD, _DESCRIPTOR.size)
    except OSError:
        return None
    descriptor: int = _DESCRIPTOR.unpack(raw)[0]
    return descriptor


def is_dead(handle: int) -> bool:
    """Return whether the process behind a pidfd has ended: it is readable then (pidfd_open(2))."""
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    return bool(poller.poll(0))


def read_stat(pid: int) -> Stat | None:
    """Return name, parent and start time of *pid*; None if it is gone or hidden."""
    try:
        descriptor = _open_stat(pid)
    except OSError:
        return None
    try:
        return _parse(os.pread(descriptor, 4096, 0))
    except OSError:
        return None
    finally:
        os.close(descriptor)


class StatFiles:
    """Keeps the stat files of a few long-lived processes open, because opening costs most.

    An open one belongs to its process for good: once that has ended, reading fails (ESRCH), also
    when the pid has a new owner. So what is read is always of now, never of a cache.
    """

    def __init__(self, most: int = 16) -> None:
        self._most = most
        self._files: OrderedDict[int, int] = OrderedDict()

    def read(self, pid: int) -> Stat | None:
        """Return what `read_stat` would."""
        descriptor = self._files.get(pid)
        if descriptor is not None:
            try:
                raw = os.pread(descriptor, 4096, 0)
            except OSError:
                os.close(self._files.pop(pid))
            else:
                self._files.move_to_end(pid)
                return _parse(raw)
        try:
            self._files[pid] = descriptor = _open_stat(pid)
            raw = os.pread(descriptor, 4096, 0)
        except OSError:
            return None
        if len(self._files) > self._most:
            os.close(self._files.popitem(last=False)[1])
        return _parse(raw)

    def close(self) -> None:
        """Close them all."""
        while self._files:
            os.close(self._files.popitem()[1])


def program_path(pid: int) -> str | None:
    """Return the path of the program of *pid*, for names only; None if it is hidden."""
    try:
        return os.readlink(f"/proc/{pid}/exe".encode()).decode("utf-8", "replace")  # noqa: PTH115 - as below
    except OSError:
        return None


def _open_stat(pid: int) -> int:
    return os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)


def _parse(raw: bytes) -> Stat | None:
    # The name stands in parentheses and may hold anything, parentheses and line breaks included.
    begin, end = raw.find(b"("), raw.rfind(b")")
    fields = raw[end + 2 :].split()
    if begin < 0 or len(fields) < 20:
        return None
    name = raw[begin + 1 : end].decode("utf-8", "replace")
    return Stat(name, int(fields[1]), int(fields[19]))


def executable(pid: int) -> Executable | None:
    """Return the program file of *pid*; None if it is hidden, deleted or has no name that is text.

    The link is followed with O_PATH, which opens nothing on the file system behind it; device and
    inode come from that descriptor, so a path of another root is never compared as text.
    """
    link = f"/proc/{pid}/exe"
    try:
        path = os.readlink(link)  # noqa: PTH115 - twice as quick as pathlib, on the hot path
        descriptor = os.open(link, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    # File names are bytes: one that is no UTF-8 can be named by no rule, nor by a look-alike.
    if not _is_text(path):
        return None
    # A deleted file keeps its inode with no name; a memfd never had one.
    if found.st_nlink == 0 or path.endswith(" (deleted)") or path.startswith("/memfd:"):
        return None
    return Executable(path=path, device=found.st_dev, inode=found.st_ino)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def variables(pid: int, names: Collection[str]) -> frozenset[str]:
    """Return which of *names* are set in the environment that *pid* began with; none if hidden."""
    try:
        descriptor = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return frozenset()
    try:
        raw = bytearray()
        while len(raw) < _MOST_ENVIRONMENT and (part := os.read(descriptor, 1 << 16)):
            raw += part
    except OSError:
        return frozenset()
    finally:
        os.close(descriptor)
    found = {entry.partition(b"=")[0] for entry in bytes(raw).split(b"\0")}
    return frozenset(name for name in names if name.encode() in found)


def mount_namespace(pid: int | str) -> str | None:
    """Return the mount namespace of *pid* (namespaces(7)); None if it is hidden."""
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/mnt")  # noqa: PTH115 - as above
    return None
