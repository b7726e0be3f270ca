"""The folder of a sink, opened so that nobody else can lead us elsewhere.

Each folder on the way is opened by its name in the one before and must belong to root or to us; a
file is replaced or removed by its name in the open folder. What is in the files, and which of them
are ours, is up to the kinds of sinks; `state` says when to write.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from credward.errors import BrokerError, Kind
from credward.named_files import open_file, read_all, sync_opened_directory
from credward.sinks.ours import NotOursError

__all__ = ["SinkFolder", "opened_folder"]

# As the kernel: path_resolution(7).
_MOST_LINKS = 40
# Much longer than any file that we share with others (bytes).
_LONGEST = 1024 * 1024
# How often to begin anew if another program changes the file meanwhile.
_TRIES = 5
_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_WAY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_Stamp = tuple[int, ...]


class SinkFolder:
    """An open folder at *path* that only we, or root, can change.

    Every method may raise `OSError`; names are those of files in it, never paths.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, None if there is none.

        Raise `NotOursError` for a link, for what is not a file, for a file of somebody else, and
        for one that we could not have written.
        """
        if self._stamp(name) is None:
            return None
        try:
            descriptor = open_file(name, follow=False, folder=self._descriptor)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            # Its owner is who we are, so its owner took that permission away.
            raise _not_ours(self.path / name, "cannot be read", "move it away") from error
        try:
            return read_all(descriptor, _LONGEST)
        except OSError as error:
            if error.errno != errno.EFBIG:
                raise
            raise _not_ours(self.path / name, "is too long", "move it away") from error
        finally:
            os.close(descriptor)

    def edit(
        self, name: str, change: Callable[[bytes | None], bytes | bytearray | None], mode: int
    ) -> None:
        """Make a file what *change* makes of its content, None for no file; durable on return.

        Whatever happens, it is the complete old file or the complete new one. It is left alone if
        *change* raises, or returns what it was given. If another program changes it meanwhile, all
        begins anew. What a kill left of an earlier edit is removed in any case.
        """
        temporary = _temporary(name)
        for _ in range(_TRIES):
            self._unlink(temporary)
            stamp = self._stamp(name)
            content = self.read(name)
            if self._stamp(name) != stamp:
                continue
            fresh = change(content)
            try:
                if fresh is not None and fresh is not content:
                    self._fill(temporary, fresh, mode)
                # As late as can be: a disk may take seconds to store the new file. In the
                # microseconds that are left, a change of somebody else is lost. To rename the old
                # file aside and look at it there would lose none, but its readers would miss it
                # meanwhile, and a kill would leave a file of somebody else under a name that nobody
                # looks for.
                if self._stamp(name) != stamp:
                    continue
                if fresh is None:
                    self._unlink(name)
                elif fresh is not content:
                    here = self._descriptor
                    os.rename(temporary, name, src_dir_fd=here, dst_dir_fd=here)
            finally:
                self._unlink(temporary)
            sync_opened_directory(self._descriptor)
            return
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    @contextlib.contextmanager
    def inner(self, name: str, mode: int | None = None) -> Iterator[SinkFolder]:
        """Open a folder in it; with *mode* it is made if it is not there."""
        if mode is not None:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, mode, dir_fd=self._descriptor)
        path = self.path / name
        descriptor = os.open(name, os.O_RDONLY | _WAY, dir_fd=self._descriptor)
        try:
            _check(os.fstat(descriptor), path, last=True)
            yield SinkFolder(path, descriptor)
        finally:
            os.close(descriptor)

    def _fill(self, name: str, content: bytes | bytearray, mode: int) -> None:
        """Make a file, durable on return."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = open_file(name, flags, follow=False, folder=self._descriptor)
        try:
            os.fchmod(descriptor, mode)
            left = memoryview(content)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _stamp(self, name: str) -> _Stamp | None:
        """Return values that change with a file, None if there is none; refuse odd files."""
        try:
            found = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        path = self.path / name
        if stat.S_ISLNK(found.st_mode):
            raise _not_ours(path, "is a symbolic link", "name the file that it leads to")
        if not stat.S_ISREG(found.st_mode):
            raise _not_ours(path, "is not a regular file", "move it away")
        if found.st_uid != os.geteuid():
            raise _not_ours(path, f"belongs to uid {found.st_uid}", "move it away")
        return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def _unlink(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            # Where nothing can be removed, nothing to remove is no error.
            os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
            os.unlink(name, dir_fd=self._descriptor)


@contextlib.contextmanager
def opened_folder(path: Path) -> Iterator[SinkFolder]:
    """Open the folder *path*; raise `BrokerError` with the command that helps, or `OSError`.

    Refused is a folder that others can write to, and one on the way in which they could put another
    in its place. A link on the way is followed only if root or we made it. `FileNotFoundError`
    names the first folder that is missing.
    """
    descriptor = _walk(path)
    try:
        yield SinkFolder(path, descriptor)
    finally:
        os.close(descriptor)


def _walk(path: Path) -> int:
    todo = list(reversed(path.parts[1:]))
    here = Path("/")
    descriptor = os.open("/", os.O_RDONLY | _WAY)
    links = 0
    try:
        sticky = _check(os.fstat(descriptor), here, last=not todo)
        while todo:
            name = todo.pop()
            link = None if sticky else _link(name, descriptor)
            if link is not None:
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))  # noqa: TRY301
                todo += [each for each in reversed(link.split("/")) if each not in {"", "."}]
                if link.startswith("/"):
                    descriptor = _go("/", descriptor, last=False)
                    here = Path("/")
                continue
            here = here.parent if name == ".." else here / name
            descriptor = _go(name, descriptor, last=not todo, shown=here)
            sticky = _check(os.fstat(descriptor), here, last=not todo)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _go(name: str, descriptor: int, *, last: bool, shown: Path | None = None) -> int:
    """Return the descriptor of the folder *name* in an open one, which is closed."""
    # Of a folder on the way nothing has to be read.
    by_path = sys.platform == "linux" and not last
    try:
        inner = os.open(name, _WAY | (os.O_PATH if by_path else os.O_RDONLY), dir_fd=descriptor)
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, error.strerror, str(shown)) from error
    except OSError as error:
        if error.errno not in {errno.ENOTDIR, errno.ELOOP}:
            raise
        raise _refused(
            shown or Path(name), "is not a folder", "name a file in a folder of yours"
        ) from error
    os.close(descriptor)
    return inner


def _link(name: str, folder: int) -> str | None:
    """Return where the link *name* leads; None if it is no link, or one of somebody else."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(found.st_mode) or found.st_uid not in {0, os.geteuid()}:
        return None
    return os.readlink(name, dir_fd=folder)


def _check(found: os.stat_result, path: Path, *, last: bool) -> bool:
    """Raise if others could change what is in the folder; return whether they can add to it.

    In one such as /tmp they can, but not take away what is there.
    """
    if found.st_uid not in {0, os.geteuid()}:
        raise _refused(path, f"belongs to uid {found.st_uid}", "use a folder of your own")
    if not found.st_mode & _OTHERS:
        return False
    sticky = bool(found.st_mode & stat.S_ISVTX)
    if last or not sticky:
        remedy = "use a folder of your own in it" if sticky else f"run chmod go-w {path}"
        raise _refused(path, "can be written to by others", remedy)
    return True


def _temporary(name: str) -> str:
    return f".{name}.credward"


def _refused(path: Path, problem: str, remedy: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{path}" {problem}: {remedy}')


def _not_ours(path: Path, problem: str, remedy: str) -> NotOursError:
    return NotOursError(Kind.FIX_CONFIGURATION, f'"{path}" {problem}: {remedy}')
