"""The settings files of Claude Code around the working directory, found as the helper finds them.

Hands them over raw; what they say is judged by `policy.redirects`, in the daemon for `get` and here
for `doctor`. The same walk is in `folder.c` and in the helper's twin.
"""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from credward.cli.worktrees import main_trees, read_start
from credward.errors import BrokerError, Kind
from credward.folder import LIMIT, Record, encode
from credward.policy.destinations import VARIABLES

__all__ = ["hand_over"]

_NAMES = ("settings.json", "settings.local.json")
_LEVELS = 32
# A file system that does not answer holds whoever asks it (seconds; an interpreter starts in them).
_PATIENCE = 5.0


def hand_over(directory: Path | None, environ: Mapping[str, str]) -> bytes:
    """Return the body that tells of the folder around *directory*; empty where no settings are.

    None: of the working directory. Raise `timed-out` where its file system does not answer.
    """
    try:
        start = Path.cwd() if directory is None else directory
    except FileNotFoundError:
        # It was removed: nothing is there any more.
        return b""
    except OSError:
        return encode([Record(kind="unreadable", name=b".")])
    found: list[bool] = []
    looker = threading.Thread(
        target=lambda: found.append(_finds_nothing(start)), daemon=True, name="look"
    )
    looker.start()
    looker.join(_PATIENCE)
    if not found:
        raise _silent()
    return b"" if found[0] else _look_by_child(start, environ)


def _silent() -> BrokerError:
    return BrokerError(
        Kind.TIMED_OUT,
        "the file system of this folder does not answer, so that its .claude/settings.json is "
        "not known: run this in another folder",
    )


def _failed() -> BrokerError:
    return BrokerError(
        Kind.INTERNAL, "the look at .claude/settings.json in this folder failed: try again"
    )


def _finds_nothing(start: Path) -> bool:
    """Return whether a look finds nothing; no link is followed for this."""
    for folder in (start, *start.parents)[:_LEVELS]:
        git = _kind(folder / ".git", follow=False)
        if _kind(folder / ".claude", follow=False) != 0 or git not in {0, stat.S_IFDIR}:
            return False
        if git == stat.S_IFDIR:
            return True
    return len(start.parents) < _LEVELS


def _look_by_child(start: Path, environ: Mapping[str, str]) -> bytes:
    """Return what a process finds that nobody waits for; why no thread: `look.c`.

    Not forked: whoever calls this may have threads.
    """
    known = {name: environ[name] for name in VARIABLES if environ.get(name)}
    others = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    ours, its = os.pipe()
    try:
        child = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-m", __name__, os.fspath(start)],
            {**others, **known},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, its, 1),
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
        )
    except OSError as error:
        os.close(ours)
        raise _failed() from error
    finally:
        os.close(its)
    with io.FileIO(ours, "rb") as pipe:
        told = _hear(pipe)
    os.waitpid(child, 0)
    if not told.endswith(b"\0"):
        raise _failed()
    return told[:-1]


def _hear(pipe: io.FileIO) -> bytes:
    """Return what is told, all at once and at the end."""
    told = b""
    while select.select([pipe], [], [], _PATIENCE)[0]:
        piece = pipe.read(1 << 16)
        if not piece:
            return told
        told += piece
    raise _silent()


def _look(start: Path, environ: Mapping[str, str]) -> bytes:
    records = list(_found_from(start))
    if not records:
        return b""
    variables = [
        Record(kind="variable", name=name.encode(), content=os.fsencode(environ[name]))
        for name in VARIABLES
        if environ.get(name)
    ]
    return encode([*variables, *records])


def _found_from(start: Path) -> Iterator[Record]:
    """Yield what is found up to the first folder with `.git`; what is not known is said too."""
    for folder in (start, *start.parents)[:_LEVELS]:
        git = os.fsencode(folder / ".git")
        kind = _kind(folder / ".git")
        if kind is None:
            yield Record(kind="unreadable", name=git)
        yield from _settings(folder)
        if kind == stat.S_IFREG:
            try:
                for tree in main_trees(folder):
                    yield from _settings(tree)
            except ValueError:
                yield Record(kind="unreadable", name=git)
        if kind in {stat.S_IFREG, stat.S_IFDIR}:
            return
    if len(start.parents) >= _LEVELS:
        yield Record(kind="too-large", name=os.fsencode(start.parents[_LEVELS - 1] / ".git"))


def _kind(path: Path, *, follow: bool = True) -> int | None:
    """Return the kind of file, 0 for none, None where it is not known.

    What lies where nobody may look is none to the agent either.
    """
    try:
        return stat.S_IFMT(path.stat(follow_symlinks=follow).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        return 0 if follow and error.errno == errno.EACCES else None


def _settings(folder: Path) -> Iterator[Record]:
    for each in _NAMES:
        path = folder / ".claude" / each
        name = os.fsencode(path)
        try:
            # One byte more than fits: what is longer is too large with whatever else there is.
            yield Record(kind="file", name=name, content=read_start(path, LIMIT + 1))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            yield Record(kind="unreadable", name=name)


if __name__ == "__main__":
    # The NUL behind the body says that it is whole.
    sys.stdout.buffer.write(_look(Path(sys.argv[1]), os.environ) + b"\0")
