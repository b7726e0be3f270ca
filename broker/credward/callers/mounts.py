"""The mounts of our namespace: whether an open file really is the file at its path for us.

A path alone proves nothing: a process with its own mount namespace can put any file at any path,
and `/proc/PID/exe` then shows that path. A mount id comes from the kernel and belongs to one
namespace. Which file to check is up to `linux`.
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
# A deleted file has its old path, followed by this (proc_pid_fd(5)).
_DELETED = " (deleted)"


class MountTable:
    """What /proc/self/mountinfo says, read again only when the kernel reports a change.

    The file stays open: poll(2) on it returns POLLERR and POLLPRI once after each change of the
    mounts (proc_pid_mounts(5)), so a check without a change costs a microsecond.
    """

    def __init__(self) -> None:
        self._points: dict[int, str] = {}
        self._poller = select.poll()
        self._files: list[int] = []
        # Without /proc we know nothing about any process, so no mount is ours either.
        with contextlib.suppress(OSError):
            self._open("/proc/self/mountinfo")
            # The file always gets the same descriptor number: opening the /proc file of another
            # number each time costs more than all the rest.
            self._slot = self._open(os.devnull)
            self._nothing = self._open(os.devnull)
            self._links = self._open("/proc/self/fd")
            self._info = self._open(f"/proc/self/fdinfo/{self._slot}")
            self._poller.register(self._files[0], select.POLLPRI)
            self._read_again()

    def path_of(self, descriptor: int) -> str | None:
        """Return the path of an open file; None unless that path leads to it in our namespace.

        Both come from the kernel's data on the descriptor (proc_pid_fdinfo(5)): no file system is
        asked (even fstat would ask it), and a descriptor opened with O_PATH is enough.
        """
        if not self._files:
            return None
        try:
            os.dup2(descriptor, self._slot, inheritable=False)
            try:
                path = os.readlink(b"%d" % self._slot, dir_fd=self._links).decode()
                mount = _mount_in(os.pread(self._info, _PAGE, 0))
            finally:
                # A file that we hold open keeps its disk from being unmounted.
                os.dup2(self._nothing, self._slot, inheritable=False)
        except (OSError, UnicodeDecodeError):
            return None
        # Ask last: while the file is open, no other mount can get the id of its mount.
        if self._poller.poll(0) or not self._points:
            self._read_again()
        point = self._points.get(mount)
        # A file moved out of a bind mount has a path that leads elsewhere; the path of a deleted
        # file may be another file's by now.
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
        """Read what is mounted now; if that fails, nothing is known."""
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
        # Any other control character is written as it is, even a carriage return.
        for line in raw.rstrip(b"\n").split(b"\n"):
            fields = line.split(b" ", 5)
            point = _OCTAL.sub(lambda found: bytes([int(found[1], 8)]), fields[4])
            points[int(fields[0])] = point.decode("utf-8", "surrogateescape")
        return points


def _mount_in(info: bytes) -> int:
    """Return the id of the file's mount; an id of no mount if the kernel gives none."""
    _, _, after = info.partition(b"mnt_id:")
    return int(after.split(None, 1)[0]) if after else -1
