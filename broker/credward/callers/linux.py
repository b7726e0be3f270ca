"""What Linux says about a process: /proc, read so that a reused pid cannot slip in.

Only facts, and None if one cannot be established; `linux_peer` says who the peer is. Nothing here
asks the file system that holds a program: it may be a server that never answers.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct

from credward.callers.ancestry import Stat
from credward.callers.caller import Executable
from credward.callers.mounts import MountTable

__all__ = [
    "Processes",
    "executable",
    "is_dead",
    "parse_stat",
    "peer_credentials",
    "peer_handle",
    "program_path",
    "read_stat",
    "working_folder",
]

# asm-generic/socket.h; Linux 6.5 and later. The socket module has no name for it.
_SO_PEERPIDFD = 77
_CREDENTIALS = struct.Struct("3i")
_DESCRIPTOR = struct.Struct("i")
# We read at most this much of a stat file (bytes).
_PAGE = 4096


def peer_credentials(peer: socket.socket) -> tuple[int, int, int]:
    """Return pid, uid and gid as of `connect` (unix(7), SO_PEERCRED), in our namespaces."""
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    return pid, uid, gid


def peer_handle(peer: socket.socket) -> int | None:
    """Return a pidfd of the process that connected; None if the kernel has no such option.

    Raises `OSError` if the kernel does not give it.
    """
    try:
        raw = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD, _DESCRIPTOR.size)
    except OSError as error:
        if error.errno == errno.ENOPROTOOPT:
            return None
        raise
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
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return parse_stat(os.pread(descriptor, _PAGE, 0))
    except OSError:
        return None
    finally:
        os.close(descriptor)


def program_path(pid: int) -> str | None:
    """Return the path of the program of *pid*, for names only; None if it is hidden."""
    try:
        return os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 - twice as quick, on the hot path
    except OSError:
        return None


def working_folder(pid: int) -> str | None:
    """Return the working directory of *pid*; None if it is hidden, deleted or not below our root.

    The kernel writes the path from its own memory; no file system is asked (proc_pid_cwd(5)). Bytes
    that are not UTF-8 become U+FFFD: it is shown, and sent as JSON.
    """
    try:
        path = os.readlink(b"/proc/%d/cwd" % pid).decode("utf-8", "replace")  # noqa: PTH115 - as above
    except OSError:
        return None
    return path if path.startswith("/") and not path.endswith(" (deleted)") else None


def executable(pid: int | str, mounts: MountTable) -> Executable | None:
    """Return the program file of *pid*; None if it is hidden, deleted, or not at its path for us.

    The link leads to the file that runs, and O_PATH opens nothing on its file system.
    """
    try:
        descriptor = os.open(f"/proc/{pid}/exe", os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Ask the descriptor, not the process, which may run another program by now.
        path = mounts.path_of(descriptor)
    finally:
        os.close(descriptor)
    return None if path is None else Executable(path=path)


class Processes:
    """The process table; *mounts* are those of our own namespace."""

    def __init__(self, mounts: MountTable) -> None:
        self._mounts = mounts

    def stat(self, pid: int) -> Stat | None:
        """Return what `read_stat` does."""
        return read_stat(pid)

    def path(self, pid: int) -> str | None:
        """Return what `program_path` does."""
        return program_path(pid)

    def executable(self, pid: int) -> Executable | None:
        """Return the program file if it is certain."""
        return executable(pid, self._mounts)

    def sees(self, pid: int) -> bool:
        """Return whether the program file is certain."""
        return self.executable(pid) is not None


def parse_stat(raw: bytes) -> Stat | None:
    """Parse the content of a stat file (proc_pid_stat(5)); return None if it is cut off."""
    # The name is in parentheses and may hold anything, even parentheses and line breaks.
    begin, end = raw.find(b"("), raw.rfind(b")")
    # We do not need the fields after the start time, the 22nd field.
    fields = raw[end + 2 :].split(b" ", 20)
    if begin < 0 or len(fields) < 20:
        return None
    name = raw[begin + 1 : end].decode("utf-8", "replace")
    return Stat(name, int(fields[1]), int(fields[19]))
