"""The settings files of Claude Code around the working directory, found as the helper finds them.

Hands them over raw; what they say is judged by `policy.redirects`, in the daemon for `get` and here
for `doctor`. The same walk is in `folder.c` and in the helper's twin.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from credward.errors import BrokerError, Kind
from credward.folder import LIMIT, Record, encode
from credward.named_files import opened
from credward.policy.destinations import VARIABLES

__all__ = ["hand_over"]

_NAMES = ("settings.json", "settings.local.json")
_LEVELS = 32
# A file system that does not answer holds whoever asks it (seconds).
_PATIENCE = 1.0
_LONGEST_LINE = 4096


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
    records = [record for folder in _folders(start) for record in _settings(folder)]
    if not records:
        return b""
    variables = [
        Record(kind="variable", name=name.encode(), content=os.fsencode(environ[name]))
        for name in VARIABLES
        if environ.get(name)
    ]
    return encode([*variables, *records])


def _folders(start: Path) -> Iterator[Path]:
    """Yield the folders up to the first with `.git`, and the main working tree of a linked one."""
    for folder in (start, *start.parents)[:_LEVELS]:
        try:
            mode = (folder / ".git").stat().st_mode
        except PermissionError:
            # Neither we nor the agent can look into it.
            return
        except OSError:
            mode = 0
        yield folder
        if stat.S_ISREG(mode) and (main := _main_tree(folder)) is not None:
            yield main
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            return


def _main_tree(folder: Path) -> Path | None:
    """Return the main working tree of a linked one, whose local settings Claude Code reads.

    Source: gitrepository-layout(5), `gitdir` and `commondir`.
    """
    line = _first_line(folder / ".git")
    if line is None or not line.startswith("gitdir:"):
        return None
    gitdir = folder / line.removeprefix("gitdir:").strip()
    common = _first_line(gitdir / "commondir")
    if common is None:
        return None
    found = Path(os.path.realpath(gitdir / common))
    return found.parent if found.name == ".git" else found


def _first_line(path: Path) -> str | None:
    try:
        content = _read(path, _LONGEST_LINE)
    except OSError:
        return None
    for end in (b"\n", b"\r", b"\0"):
        content = content.partition(end)[0]
    return os.fsdecode(content.strip(b" \t"))


def _settings(folder: Path) -> Iterator[Record]:
    for each in _NAMES:
        path = folder / ".claude" / each
        name = os.fsencode(path)
        try:
            # One byte more than fits: what is longer is too large with whatever else there is.
            yield Record(kind="file", name=name, content=_read(path, LIMIT + 1))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            yield Record(kind="unreadable", name=name)


def _read(path: Path, most: int) -> bytes:
    """Return the first *most* bytes of a regular file; a link is followed, as the agent does."""
    content = b""
    with opened(path) as descriptor:
        while part := os.read(descriptor, most - len(content)):
            content += part
    return content
