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
            self._open("/proc/self/mountinfo")
            # What is asked about is put under one number: opening what /proc says of another
            # number each time costs more than all the rest.
            self._slot = self._open(os.devnull)
            self._nothing = self._open(os.devnull)
            self._links = self._open("/proc/self/fd")
            self._info = self._open(f"/proc/self/fdinfo/{self._slot}")
            self._poller.register(self._files[0], select.POLLPRI)
            self._read_again()

    def path_of(self, descriptor: int) -> str | None:
        """Return the path of an open file; None unless that path leads to it in our namespace.

        Both come from the kernel's knowledge of the descriptor (proc_pid_fdinfo(5)): no file system
        is asked, as even fstat would, and O_PATH is enough to have opened it with.
        """
        if not self._files:
            return None
        try:
            os.dup2(descriptor, self._slot, inheritable=False)
            try:
                path = os.readlink(b"%d" % self._slot, dir_fd=self._links).decode()
                mount = _mount_in(os.pread(self._info, _PAGE, 0))
            finally:
                # Who holds a file holds up whoever wants to take its disk away.
                os.dup2(self._nothing, self._slot, inheritable=False)
        except (OSError, UnicodeDecodeError):
            return None
        # Asked last: while the file is open, the id of its mount cannot become another mount's.
        if self._poller.poll(0) or not self._points:
            self._read_again()
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

    def _open(self, path: str) -> int:
        self._files.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        return self._files[-1]

    def _read_again(self) -> None:
        """Take in what is mounted now; nothing is known where that cannot be read."""
        self._points = {}
        with contextlib.suppress(OSError, ValueError, IndexError):
            self._points = self._read(self._files[0])

    @staticmethod
    def _read(file: int) -> dict[int, str]:
        os.lseek(file, 0, os.SEEK_SET)
        raw = bytearray()
        while part := os.read(file, _PAGE):
            raw += part
        points = {}
        # Any other control character stands in a name as it is, a carriage return too.
        for line in raw.rstrip(b"\n").split(b"\n"):
            fields = line.split(b" ", 5)
            point = _OCTAL.sub(lambda found: bytes([int(found[1], 8)]), fields[4])
            points[int(fields[0])] = point.decode("utf-8", "surrogateescape")
        return points


def _mount_in(info: bytes) -> int:
    """Return the id of the mount that the file is on; that of no mount where it is not told."""
    _, _, after = info.partition(b"mnt_id:")
    return int(after.split(None, 1)[0]) if after else -1
