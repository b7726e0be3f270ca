"""State files on disk: checked when read, replaced as a whole, bad ones set aside.

Bytes only; `sealed` knows their meaning. A kill between any two steps leaves the old file or the
new one.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from credward.errors import BrokerError, Kind
from credward.named_files import open_file, opened, read_all, sync_directory

__all__ = ["last_of", "read_private", "replace", "set_aside"]

# Much longer than any store (bytes).
_MAX_SIZE = 64 * 1024 * 1024
# Errors of file systems without hard links.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


def last_of(path: Path) -> Path:
    """Return the path of the copy."""
    return path.with_name(f"{path.name}.last")


def read_private(path: Path, what: str) -> bytes | None:
    """Return the content of a file that only we can access, None if there is none.

    Raise `fix-configuration`, naming *what* it is, if others can read or write it, if it belongs to
    somebody else, or if it is not a file.
    """
    try:
        with opened(path, follow=False) as descriptor:
            _check_owner(os.fstat(descriptor), path, what)
            return read_all(descriptor, _MAX_SIZE)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, what, error) from error


def replace(path: Path, content: bytes, *, absent: bool = False) -> None:
    """Replace *path* by *content*, mode 0600, durable on return; raise `OSError`.

    Whatever happens, *path* is the complete old file or the complete new one. *absent*: there must
    be no old one, else `FileExistsError`.
    """
    # A fixed name, not a random one: the next attempt overwrites what a kill leaves behind.
    temporary = path.with_name(f"{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, follow=False)
    try:
        try:
            # Corrects what the umask or the directory's default ACL changed.
            os.fchmod(descriptor, 0o600)
            left = memoryview(content)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        # Where hard links exist, the link itself would report an existing file.
        if absent and path.exists():
            raise FileExistsError(errno.EEXIST, "it appeared just now", str(path))
        temporary.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def set_aside(path: Path, now: float) -> Path:
    """Give *path* a second name that says when it was found bad, and return that name."""
    aside = path.with_name(f"{path.name}.corrupt-{int(now)}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.corrupt-{int(now)}-{number}")
    try:
        os.link(path, aside)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        path.rename(aside)
    sync_directory(path.parent)
    return aside


def _check_owner(found: os.stat_result, path: Path, what: str) -> None:
    if found.st_uid != os.geteuid():
        raise _refused(
            path, what, f"belongs to uid {found.st_uid}", f"run chown {os.geteuid()} {path}"
        )
    if found.st_mode & 0o077:
        raise _refused(path, what, "is open to others", f"run chmod 0600 {path}")
    if found.st_size > _MAX_SIZE:
        raise _refused(path, what, f"is longer than {_MAX_SIZE >> 20} MiB", f"move {path} away")


def _unreadable(path: Path, what: str, error: OSError) -> BrokerError:
    return _refused(path, what, f"cannot be read ({error.strerror})", "correct that")


def _refused(path: Path, what: str, problem: str, remedy: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f"{what} {path} {problem}: {remedy}")
