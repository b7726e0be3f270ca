"""The directory of the socket: made in one step with its final mode, or refused.

Its permissions are the first gate before any policy. The socket in it is `listen`.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from credward.errors import BrokerError, Kind

__all__ = ["Mode", "Permissions", "permissions_of", "prepare_directory", "umask"]

Mode = Literal["user", "system", "sidecar"]


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """What a mode makes, and which bits of an existing directory it does not tolerate."""

    directory: int
    forbidden: int
    socket: int
    root_may_own: bool
    # A pod's shared volume is mode 0777 by design, so there only our own subdirectory is judged.
    open_parents: bool


_PERMISSIONS: dict[Mode, Permissions] = {
    "user": Permissions(
        directory=0o700, forbidden=0o077, socket=0o600, root_may_own=False, open_parents=False
    ),
    "system": Permissions(
        directory=0o755, forbidden=0o022, socket=0o660, root_may_own=True, open_parents=False
    ),
    "sidecar": Permissions(
        directory=0o750, forbidden=0o027, socket=0o660, root_may_own=False, open_parents=True
    ),
}


def permissions_of(mode: Mode) -> Permissions:
    """Return the permissions that *mode* stands for."""
    return _PERMISSIONS[mode]


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    """Run with this umask, so that what is made has its final mode from its first instant."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def prepare_directory(directory: Path, mode: Mode) -> None:
    """Make *directory*, or check the existing one; raises `fix-configuration` with a command."""
    permissions = _PERMISSIONS[mode]
    _check_parents(directory, permissions)
    missing = [each for each in (directory, *directory.parents) if not os.path.lexists(each)]
    try:
        with umask(0):
            for each in reversed(missing):
                # Losing this race to another starter is fine: what is there then is checked below.
                with contextlib.suppress(FileExistsError):
                    each.mkdir(mode=permissions.directory if each == directory else 0o700)
    except OSError as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'socket directory "{directory}" cannot be made ({error.strerror}): '
            "name another place with CREDWARD_SOCKET",
        ) from error
    _check(directory, permissions)


def _check(directory: Path, permissions: Permissions) -> None:
    found = directory.lstat()
    quoted = shlex.quote(str(directory))
    if stat.S_ISLNK(found.st_mode):
        raise _unfit(directory, "is a symbolic link", f"run rm {quoted}")
    if not stat.S_ISDIR(found.st_mode):
        raise _unfit(directory, "is not a directory", f"run rm {quoted}")
    owners = {os.geteuid(), 0} if permissions.root_may_own else {os.geteuid()}
    if found.st_uid not in owners:
        raise _unfit(
            directory,
            f"belongs to uid {found.st_uid} instead of {os.geteuid()}",
            f"have its owner run rm -r {quoted}",
        )
    if found.st_mode & permissions.forbidden:
        raise _unfit(
            directory,
            f"is open to others (mode {stat.S_IMODE(found.st_mode):04o})",
            f"run chmod {permissions.directory:o} {quoted}",
        )


def _check_parents(directory: Path, permissions: Permissions) -> None:
    """Refuse a path that somebody else could lead elsewhere."""
    for each in reversed(directory.parents):
        if not os.path.lexists(each):
            return
        if each.is_symlink() and _writable_by_all(each.parent):
            raise _unfit(
                each,
                "is a symbolic link in a directory that everybody may write",
                f"run rm {shlex.quote(str(each))}",
            )
        if (
            not permissions.open_parents
            and _writable_by_all(each)
            and not each.stat().st_mode & stat.S_ISVTX
        ):
            raise _unfit(
                each,
                "lets everybody replace what is in it",
                f"run chmod o-w {shlex.quote(str(each))}",
            )


def _writable_by_all(directory: Path) -> bool:
    try:
        return bool(directory.stat().st_mode & stat.S_IWOTH)
    except OSError as error:
        raise _unfit(
            directory, f"cannot be read ({error.strerror})", "name another place"
        ) from error


def _unfit(path: Path, why: str, command: str) -> BrokerError:
    return BrokerError(
        Kind.FIX_CONFIGURATION,
        f'socket directory "{path}" {why}: {command}',
        hint="or name another place with CREDWARD_SOCKET",
    )
