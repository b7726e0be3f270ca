"""The settings files of Claude Code around the working directory, found as the helper finds them.

Hands them over raw; what they say is judged by `policy.redirects`, in the daemon for `get` and here
for `doctor`. The same walk is in `folder.c` and in the helper's twin.
"""

from __future__ import annotations

import errno
import os
import stat
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
# A file system that does not answer holds whoever asks it (seconds).
_PATIENCE = 1.0


def hand_over(directory: Path | None, environ: Mapping[str, str]) -> bytes:
    """Return the body that tells of the folder around *directory*; empty where no settings are.

    None: of the working directory. Raise `timed-out` where its file system does not answer.
    """
    found: list[bytes] = []
    looker = threading.Thread(
        target=lambda: found.append(_look(directory, environ)), daemon=True, name="look"
    )
    looker.start()
    looker.join(_PATIENCE)
    if not found:
        raise BrokerError(
            Kind.TIMED_OUT,
            "the file system of this folder does not answer, so that its .claude/settings.json is "
            "not known: run this in another folder",
        )
    return found[0]


def _look(directory: Path | None, environ: Mapping[str, str]) -> bytes:
    try:
        start = Path.cwd() if directory is None else directory
    except FileNotFoundError:
        # It was removed: nothing is there any more.
        return b""
    except OSError:
        return encode([Record(kind="unreadable", name=b".")])
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


def _kind(path: Path) -> int | None:
    """Return the kind of file, 0 for none, None where it is not known.

    What lies where nobody may look is none to the agent either.
    """
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        return 0 if error.errno == errno.EACCES else None


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
