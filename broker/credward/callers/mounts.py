"""The mounts of our own namespace: whether an open file lies at a path that means it here.

A path alone proves nothing: in a mount namespace of its own a process can put any file at any path,
and `/proc/PID/exe` then reads the same. The id of a mount is the kernel's own number and belongs to
one namespace. Which file is asked about is `linux`.
"""

from __future__ import annotations

import contextlib
import os
import re
import select

__all__ = ["MountTable"]

# Space, tab, line break and backslash are written as three octal digits (proc_pid_mountinfo(5)).
_OCTAL = re.compile(rb"\\([0-7]{3})")
_PAGE = 1 << 16
# A file that was deleted has its old path with this behind it (proc_pid_fd(5)).
_DELETED = " (deleted)"


class MountTable:
    """What /proc/self/mountinfo says, read again only when the kernel reports a change.

    The file stays open: poll(2) on it returns POLLERR and POLLPRI once after each change of the
    mounts (proc_pid_mounts(5)), which makes a look that finds nothing new cost a microsecond.
    """

    def __init__(self) -> None:
        self._points: dict[int, str] = {}
        self._poller = select.poll()
        self._files: list[int] = []
        # Without /proc nothing is known of any process: then no mount is ours either.
        with contextlib.suppress(OSError):
            for name in ("mountinfo", "fd", "fdinfo"):
                self._files.append(os.open(f"/proc/self/{name}", os.O_RDONLY | os.O_CLOEXEC))
            self._poller.register(self._files[0], select.POLLPRI)
            self._points = self._read(self._files[0])

    def path_of(self, descriptor: int) -> str | None:
        """Return the path of an open file; None unless that path leads to it in our namespace.

        Both come from the kernel's knowledge of the descriptor (proc_pid_fdinfo(5)): no file system
        is asked, as even fstat would, and O_PATH is enough to have opened it with.
        """
        if len(self._files) < 3:
            return None
        mounts, links, infos = self._files
        name = b"%d" % descriptor
        try:
            path = os.readlink(name, dir_fd=links).decode()
            mount = _mount_in(infos, name)
        except (OSError, UnicodeDecodeError):
            return None
        # Asked last: while the file is open, the id of its mount cannot become another mount's.
        if self._poller.poll(0):
            self._points = self._read(mounts)
        point = self._points.get(mount)
        # One that was moved out of a bind mount has a path that leads elsewhere; the path of one
        # that was deleted may be another's by now.
        if point is None or path.endswith(_DELETED):
            return None
        below = path == point or path.startswith(point.rstrip("/") + "/")
        return path if below else None

    def close(self) -> None:
        """Close the files; nothing is known afterwards."""
        while self._files:
            os.close(self._files.pop())

    @staticmethod
    def _read(file: int) -> dict[int, str]:
        os.lseek(file, 0, os.SEEK_SET)
        raw = bytearray()
        while part := os.read(file, _PAGE):
            raw += part
        points = {}
        for line in raw.splitlines():
            fields = line.split(b" ", 5)
            point = _OCTAL.sub(lambda found: bytes([int(found[1], 8)]), fields[4])
            points[int(fields[0])] = point.decode("utf-8", "surrogateescape")
        return points


def _mount_in(infos: int, name: bytes) -> int:
    """Return the id of the mount that the file is on; that of no mount where it is not told."""
    info = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=infos)
    try:
        raw = os.read(info, _PAGE)
    finally:
        os.close(info)
    _, _, after = raw.partition(b"mnt_id:")
    return int(after.split(None, 1)[0]) if after else -1
