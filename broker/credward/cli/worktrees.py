"""The main working tree of a linked one, whose settings Claude Code reads too.

Git writes these files in one way only. What is written in any other is not understood by us, rather
than by each program in another way. The same is in `worktree.c` and in the helper's twin.

Source: gitrepository-layout(5), `gitdir` and `commondir`.
"""

from __future__ import annotations

import os
from itertools import dropwhile
from pathlib import Path

from credward.named_files import opened

__all__ = ["main_trees", "read_start"]

_LONGEST = 4096
# White space of JavaScript (ECMA-262, String.prototype.trim) beyond ASCII, and controls.
_ODD = frozenset(
    chr(point)
    for points in (range(0x20), range(0x7F, 0xA1), range(0x2000, 0x200B))
    for point in points
) | frozenset("\u1680\u2028\u2029\u202f\u205f\u3000\ufeff")


def main_trees(folder: Path) -> list[Path]:
    """Return the main working tree of *folder*, which has a file `.git`; none where it has no such.

    Two where links on the way make that depend on who looks: Claude Code goes by the words alone.
    Raise `ValueError` where git would have written it in other words.
    """
    word = _path_in(folder / ".git", "gitdir:")
    if word is None:
        raise ValueError("it is gone")
    gitdir = _by_words(folder, word)
    common = _path_in(gitdir / "commondir", "")
    if common is None:
        return []
    try:
        followed = (gitdir / common).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise ValueError("it leads nowhere") from error
    found = (_by_words(gitdir, common), followed)
    return list(dict.fromkeys(each.parent if each.name == ".git" else each for each in found))


def read_start(path: Path, most: int) -> bytes:
    """Return the first *most* bytes of a regular file; a link is followed, as the agent does."""
    content = b""
    with opened(path) as descriptor:
        while part := os.read(descriptor, most - len(content)):
            content += part
    return content


def _path_in(name: Path, mark: str) -> str | None:
    """Return the path that is all of a small file but for *mark* in front, None for no file."""
    try:
        content = read_start(name, _LONGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ValueError("it cannot be read") from error
    line = content.rstrip(b" \t\r\n").decode("utf-8")
    path = line.removeprefix(mark).lstrip(" ")
    if len(content) > _LONGEST or not line.startswith(mark) or not _is_plain(path):
        raise ValueError("git would have written something else")
    return path


def _is_plain(path: str) -> bool:
    """Return whether every program takes *path* for the same.

    `..` behind a name leads elsewhere where that is a link or is missing.
    """
    names = [name for name in path.split("/") if name]
    named = names if path.startswith("/") else dropwhile(lambda name: name == "..", names)
    return path != "" and _ODD.isdisjoint(path) and ".." not in named


def _by_words(base: Path, path: str) -> Path:
    """Return where *path* leads from *base* when no link is followed."""
    return Path("/" + os.path.normpath(base / path).lstrip("/"))
