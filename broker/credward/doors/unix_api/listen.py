"""The listening socket: bound with its final mode, replaced only when stale, under a lock.

Never an abstract address. `directory` makes the directory, `doors.activation` takes sockets from a
service manager, `http11` speaks on them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import shlex
import socket
import stat
import sys
from pathlib import Path

from credward.doors.unix_api.directory import (
    Mode,
    permissions_of,
    prepare_directory,
    umask,
)
from credward.errors import BrokerError, Kind
from credward.named_files import open_file

__all__ = ["LONGEST_PATH", "Mode", "SocketFile", "bind_socket"]

# sockaddr_un.sun_path, less its NUL.
LONGEST_PATH = (104 if sys.platform == "darwin" else 108) - 1
_BACKLOG = 1024


class SocketFile:
    """A bound, listening socket and its file; holds the lock beside it."""

    def __init__(self, path: Path, listener: socket.socket, lock: int) -> None:
        self.path = path
        self.socket = listener
        self._lock = lock
        found = path.lstat()
        self._identity = (found.st_dev, found.st_ino)

    def still_there(self) -> bool:
        """Whether clients that look for the path still find this socket."""
        try:
            found = self.path.lstat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def remove(self) -> None:
        """Remove the file if it is still ours, and release the lock; the socket stays open."""
        if self._lock < 0:
            return
        if self.still_there():
            with contextlib.suppress(OSError):
                self.path.unlink()
        self.release()

    def release(self) -> None:
        """Release the lock and leave the file alone, for a new socket at the same place."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def bind_socket(path: Path, mode: Mode = "user", *, group: str | None = None) -> SocketFile:
    """Make the directory and the socket at *path* and listen.

    Raises `already-running` if a daemon answers there, `fix-configuration` if the place is
    unsuitable. In the modes `system` and `sidecar` members of *group* may connect.
    """
    _check_path(path)
    gid = _group_id(group)
    prepare_directory(path.parent, mode)
    lock = _take_lock(path)
    try:
        _clear_stale(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _bind(listener, path, permissions_of(mode).socket, gid)
            return SocketFile(path, listener, lock)
        except BaseException:
            listener.close()
            raise
    except BaseException:
        os.close(lock)
        raise


def _bind(listener: socket.socket, path: Path, mode: int, gid: int | None) -> None:
    try:
        with umask(0o777 & ~mode):
            listener.bind(os.fspath(path))
        if gid is not None:
            # Before listen: until then nobody can connect.
            os.chown(path, -1, gid)
        listener.listen(_BACKLOG)
    except OSError as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION, f'socket "{path}" cannot be made ({error.strerror})'
        ) from error


def _check_path(path: Path) -> None:
    if not path.is_absolute() or "\0" in str(path):
        raise BrokerError(
            Kind.FIX_CONFIGURATION, f'socket "{path}" is not an absolute path to a file'
        )
    length = len(os.fsencode(path))
    if length > LONGEST_PATH:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'socket path "{path}" is {length} bytes long, the maximum is {LONGEST_PATH}: '
            "name a shorter one with CREDWARD_SOCKET",
        )


def _group_id(group: str | None) -> int | None:
    if group is None:
        return None
    try:
        return int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION, f'group "{group}" of [listen] does not exist'
        ) from error


def _take_lock(path: Path) -> int:
    """Return the held lock beside the socket; it stays as long as the socket is ours."""
    beside = path.with_name(path.name + ".lock")
    try:
        lock = open_file(beside, os.O_RDWR | os.O_CREAT, follow=False)
    except OSError as error:
        why = "is a symbolic link" if error.errno == errno.ELOOP else f"fails ({error.strerror})"
        raise BrokerError(
            Kind.FIX_CONFIGURATION, f'lock "{beside}" {why}: run rm {shlex.quote(str(beside))}'
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise _already_running(path) from error
    return lock


def _clear_stale(path: Path) -> None:
    """Remove a socket on which nobody answers; refuse anything else at *path*, untouched."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        what = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "not a socket"
        raise BrokerError(
            Kind.FIX_CONFIGURATION, f'"{path}" is {what}: run rm {shlex.quote(str(path))}'
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        outcome = probe.connect_ex(os.fspath(path))
    if outcome == errno.ENOENT:
        return
    # Only a refused connection proves that nobody listens; a full queue (EAGAIN) proves the
    # opposite.
    if outcome != errno.ECONNREFUSED:
        raise _already_running(path)
    path.unlink(missing_ok=True)


def _already_running(path: Path) -> BrokerError:
    return BrokerError(Kind.ALREADY_RUNNING, f"already running at {path}")
