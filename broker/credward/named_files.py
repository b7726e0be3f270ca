"""Files opened by name: only regular ones, and never a wait for the other end of a pipe.

A named pipe blocks the process that opens it, a device may do anything: an attacker, or a mistake,
can put one where a file is expected. The caller checks the owner and the content of a file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "check_file",
    "leftovers",
    "open_file",
    "opened",
    "read_all",
    "read_checked",
    "read_text",
    "replace_file",
    "sync_directory",
    "sync_opened_directory",
]

# Much longer than any configuration, policy or record of ours (bytes).
_LONGEST = 16 * 1024 * 1024
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_file(
    path: str | os.PathLike[str],
    flags: int = os.O_RDONLY,
    *,
    follow: bool = True,
    folder: int | None = None,
) -> int:
    """Return a descriptor of the regular file *path*, which children do not inherit.

    *folder* is the descriptor of the folder that *path* is in, if it is a name only. A new file has
    mode 0600. Raise `OSError` for anything else, with the kind in `strerror`;
    without *follow* also for a symbolic link (ELOOP, as in open(2)).
    """
    flags |= os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    # Check before the open, because opening some devices has effects.
    with contextlib.suppress(FileNotFoundError):
        _refuse(os.stat(path, dir_fd=folder, follow_symlinks=follow), path)
    descriptor = os.open(path, flags, 0o600, dir_fd=folder)
    try:
        # And after it, because it may have been replaced in between.
        _refuse(os.fstat(descriptor), path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def opened(
    path: str | os.PathLike[str], flags: int = os.O_RDONLY, *, follow: bool = True
) -> Iterator[int]:
    """Yield the descriptor of `open_file`, and close it."""
    descriptor = open_file(path, flags, follow=follow)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def check_file(path: str | os.PathLike[str]) -> None:
    """Raise the same errors as `open_file`, for a library that opens *path* itself."""
    with opened(path):
        pass


def read_all(descriptor: int, most: int = _LONGEST) -> bytes:
    """Return the content of an open file; raise `OSError` (EFBIG) for more than *most* bytes."""
    content = bytearray()
    while part := os.read(descriptor, min(1 << 20, most + 1 - len(content))):
        content += part
        if len(content) > most:
            raise OSError(errno.EFBIG, f"it is longer than {most} bytes")
    return bytes(content)


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a file; raise `OSError`, or `UnicodeDecodeError` if it is not UTF-8."""
    with opened(path) as descriptor:
        return read_all(descriptor).decode("utf-8")


def read_checked(path: Path, errors: list[str]) -> str | None:
    """Return the text of a file that decides something; None if it cannot be read.

    *errors* gets a line `path:1: text` if it cannot be read, or must not count because others can
    change it. Raise `FileNotFoundError` if it is not there.
    """
    try:
        with opened(path) as descriptor:
            found = os.fstat(descriptor)
            text = read_all(descriptor).decode("utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        errors.append(f"{path}:1: cannot be read ({why})")
        return None
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        errors.append(f"{path}:1: others can write to it: run chmod go-w {path}")
    elif found.st_uid not in {0, os.geteuid()}:
        errors.append(f"{path}:1: belongs to uid {found.st_uid}, not to you or root")
    return text


def replace_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace *path* by *content*: always the complete old or new file; raise `OSError`."""
    # Late import: code that starts a daemon also reads files, and must not wait for this.
    import tempfile  # noqa: PLC0415

    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path))
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.chmod(mode)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def leftovers(path: Path) -> Iterator[Path]:
    """Yield what `replace_file` left beside *path* because it was killed, or writes just now."""
    pattern = re.compile(re.escape(_prefix(path)) + "[a-z0-9_]{8}")
    for each in path.parent.iterdir():
        if pattern.fullmatch(each.name):
            found = each.lstat()
            if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
                yield each


def _prefix(path: Path) -> str:
    return f".{path.name[:64]}-"


def sync_directory(directory: Path) -> None:
    """Make the names of the files in *directory* durable; raise `OSError`."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_opened_directory(descriptor)
    finally:
        os.close(descriptor)


def sync_opened_directory(descriptor: int) -> None:
    """Make the names of the files in an open directory durable; raise `OSError`."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and FUSE file systems cannot sync directories; nothing more can be done
        # there.
        if error.errno != errno.EINVAL:
            raise


def _refuse(found: os.stat_result, path: str | os.PathLike[str]) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    kind = next((name for holds, name in _KINDS if holds(found.st_mode)), "something else")
    number = errno.ELOOP if stat.S_ISLNK(found.st_mode) else errno.EINVAL
    raise OSError(number, f"it is {kind}, not a regular file", os.fspath(path))
