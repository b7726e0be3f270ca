"""Which sockets are trusted, and connecting to them: the rules of helpers/paths.c, for Python.

`paths` says where sockets may be. A user who could put their own daemon there would get every
secret that is stored through it, and could hand out any tokens. A user namespace shows all users
that it does not map as one, the overflow uid (user_namespaces(7)). That is not one user: it may be
our own daemon, or any other user's.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

from credward.errors import BrokerError, Kind
from credward.paths import SYSTEM_SOCKET

__all__ = ["connect", "ids_are_mapped", "is_ours"]

# unix(7), SO_PEERCRED: pid, uid, gid.
_UCRED = struct.Struct("3i")
# macOS, sys/un.h: SOL_LOCAL, LOCAL_PEERCRED; struct xucred begins with version and uid.
_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_ROOM = 0, 1, 76
_XUCRED = struct.Struct("=II")
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
# The whole range mapped to itself is the initial user namespace (user_namespaces(7)).
_IDENTITY = [b"0", b"0", b"4294967295"]
# The kernel's DEFAULT_OVERFLOWUID, and the file with another value.
_OVERFLOW_UID, _OVERFLOW_FILE = 65534, "/proc/sys/kernel/overflowuid"
_RETRY = 0.005


def connect(
    path: Path,
    remaining: Callable[[], float],
    *,
    named: bool = False,
    confiding: bool = False,
) -> socket.socket:
    """Return a connection to the daemon at *path*; raises `OSError` if nobody listens.

    *remaining* returns the remaining seconds, and raises at zero. *named*: the user named this
    socket (CREDWARD_SOCKET), so it may be another user's, as for a sidecar. *confiding*: a secret
    goes over it, so the user of the daemon must be known. Raises `fix-configuration` if another
    user could have made the socket, and `denied` if this user may not open it.
    """
    try:
        _check_directory(path, named=named)
        _check_socket(path)
        connection = _connect(path, remaining)
    except PermissionError as error:
        raise BrokerError(
            Kind.DENIED,
            f'"{path}" may not be opened by this user: ask for membership of its group',
        ) from error
    try:
        _check_peer(connection, path, named=named, confiding=confiding)
    except BaseException:
        connection.close()
        raise
    return connection


def ids_are_mapped() -> bool:
    """Whether this user namespace shows other users as the overflow uid (user_namespaces(7))."""
    try:
        with open("/proc/self/uid_map", "rb") as file:  # noqa: PTH123 - quicker than pathlib
            return file.read(64).split()[:3] != _IDENTITY
    except OSError:
        # A kernel without user namespaces has no such file. Without /proc we do not know.
        return not os.path.exists("/proc/self")  # noqa: PTH110 - as above


def _check_directory(path: Path, *, named: bool) -> None:
    directory = path.parent
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise _refused(directory, "is a link or not a directory", "run credward doctor")
    if found.st_mode & _OTHERS_WRITE:
        raise _shared(path, found, named=named)
    if not named and not _owner_is_right(path, found.st_uid):
        raise _refused(directory, "belongs to another user", "run credward doctor")


def _check_socket(path: Path) -> None:
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise _refused(path, "is a link or not a socket", "run credward doctor")


def _owner_is_right(path: Path, owner: int) -> bool:
    if is_ours(owner):
        return True
    # Only root makes names in /run, so root gave a directory there to its owner. If root is not
    # shown, the creator of this namespace made it.
    return path == SYSTEM_SOCKET and (_given_by_root(path.parent.parent) or not _is_known(owner))


def is_ours(uid: int) -> bool:
    """Whether *uid* is this user or root; never if our own uid looks like the overflow uid."""
    return uid in {os.geteuid(), 0} and _is_known(uid)


def _is_known(uid: int) -> bool:
    """Whether *uid* means one user: the overflow uid of a namespace means many."""
    return not ids_are_mapped() or uid != _overflow_uid()


def _overflow_uid() -> int:
    try:
        with open(_OVERFLOW_FILE, "rb") as file:  # noqa: PTH123 - quicker than pathlib
            return int(file.read(32))
    except (OSError, ValueError):
        return _OVERFLOW_UID


def _given_by_root(directory: Path) -> bool:
    found = directory.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == 0 and not found.st_mode & _OTHERS_WRITE


def _connect(path: Path, remaining: Callable[[], float]) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _wait_in_queue(connection, path, remaining)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_peer(connection: socket.socket, path: Path, *, named: bool, confiding: bool) -> None:
    """Ask the kernel who listens.

    A check of only the names could be raced by swapping a parent directory.
    """
    uid = _peer_uid(connection)
    if not named and path != SYSTEM_SOCKET and not is_ours(uid):
        raise _refused(path, "is served by another user", "run credward doctor")
    if confiding and not _is_known(uid):
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{path}" is served by a user that this sandbox does not show, '
            "so no secret goes to it or comes from it: run this outside of the sandbox",
        )


def _wait_in_queue(connection: socket.socket, path: Path, remaining: Callable[[], float]) -> None:
    while True:
        connection.settimeout(remaining())
        try:
            connection.connect(str(path))
        except BlockingIOError:
            # The daemon's queue is full: it is there, and busy.
            time.sleep(_RETRY)
        else:
            return


def _peer_uid(connection: socket.socket) -> int:
    if sys.platform == "linux":
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        return int(_UCRED.unpack(raw)[1])
    raw = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_ROOM)
    return int(_XUCRED.unpack_from(raw)[1])


def _shared(path: Path, found: os.stat_result, *, named: bool) -> BrokerError:
    """Advise chmod only to the owner of a directory that is not sticky: others need /tmp."""
    why = "can be written by others"
    if found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX:
        return _refused(path.parent, why, "run chmod go-w on it")
    if not named:
        remedy = "set CREDWARD_SOCKET to a socket in a directory of your own"
        return _refused(path.parent, why, remedy)
    return BrokerError(
        Kind.FIX_CONFIGURATION,
        f'CREDWARD_SOCKET names "{path}", and "{path.parent}" {why}, so it is not trusted: '
        "unset CREDWARD_SOCKET",
    )


def _refused(path: Path, why: str, remedy: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{path}" {why}, so it is not trusted: {remedy}')
