"""The settings files of Claude Code around a folder, passed on without reading their content.

The same search as in the helper (`folder.c`), for Python; the daemon judges the content. It waits
for file systems, for ever if they do not answer; therefore `surroundings` has it run aside.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from credward.folder import encode
from credward.named_files import opened, read_all

__all__ = ["find_settings"]

# The longest body (bytes); a file that does not fit is reported as too large.
_LIMIT = 60 * 1024
_LEVELS = 32
# A path in a file of git.
_LONGEST_LINE = 4096
_NAMES = (".claude/settings.json", ".claude/settings.local.json")
# Characters that not every program treats the same: controls, white space other than the space
# (ECMA-262, String.prototype.trim), bidirectional overrides. The same ones as in text.h.
_ODD = frozenset(
    chr(each)
    for first, last in (
        *((0, 0x1F), (0x7F, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x200E, 0x200F)),
        *(
            (0x2028, 0x202F),
            (0x205F, 0x205F),
            (0x2066, 0x2069),
            (0x3000, 0x3000),
            (0xFEFF, 0xFEFF),
            (0xE0000, 0xE0FFF),
        ),
    )
    for each in range(first, last + 1)
)


def find_settings(start: str) -> bytes:
    """Return records (`credward.folder`) of what is found from *start* up, an absolute path.

    Up to the first folder with a `.git` that is not a link; also for each `.git` that is not
    understood.
    """
    body = b""
    for name, record in _records(start.rstrip("/")):
        if record is None or len(body) + len(record) > _LIMIT:
            return encode("too-large", name)
        body += record
    return body


def _records(folder: str) -> Iterator[tuple[str, bytes | None]]:
    """Yield the name and the record of each, None for a file that is too large."""
    for _ in range(_LEVELS):
        git = f"{folder}/.git"
        kind = _kind_of(git)
        if kind is None:
            yield git, encode("unreadable", git)
        yield from _settings_in(folder)
        if kind == stat.S_IFREG:
            yield from _settings_of_main(folder)
        # The agent may ignore a link, depending on its target: continue the search above.
        found = kind in {stat.S_IFREG, stat.S_IFDIR} and not os.path.islink(git)  # noqa: PTH114
        if found or not folder:
            return
        folder = folder.rpartition("/")[0]
    yield git, encode("too-large", f"{folder}/.git")


def _settings_in(folder: str) -> Iterator[tuple[str, bytes | None]]:
    for path in (f"{folder}/{name}" for name in _NAMES):
        try:
            with opened(path) as descriptor:
                content = read_all(descriptor, _LIMIT)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            yield path, None if error.errno == errno.EFBIG else encode("unreadable", path)
        else:
            yield path, encode("file", path, content)


def _settings_of_main(folder: str) -> Iterator[tuple[str, bytes | None]]:
    try:
        tree = _main_tree(folder)
    except ValueError:
        yield f"{folder}/.git", encode("unreadable", f"{folder}/.git")
    else:
        yield from () if tree is None else _settings_in(tree)


def _kind_of(path: str) -> int | None:
    """Return the kind of file, 0 if there is none or it is not accessible, None if unknown."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)  # noqa: PTH116 - any bytes are a name
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return 0
    except OSError:
        return None


# --- the main working tree of a linked one (gitrepository-layout(5)); why so strict: folder.c ---


def _main_tree(folder: str) -> str | None:
    """Return the main working tree, None if there is none that is accessible.

    Raise `ValueError` if git would have written it differently.
    """
    word = _path_in(f"{folder}/.git", "gitdir:")
    if word is None:
        raise ValueError("it is gone")
    gitdir = _follow(folder, word)
    common = None if gitdir is None else _path_in(f"{gitdir}/commondir", "")
    if gitdir is None or common is None:
        return None
    tree = _follow(gitdir, common)
    if tree is None:
        raise ValueError("it leads nowhere")
    return tree.removesuffix("/.git")


def _path_in(name: str, mark: str) -> str | None:
    """Return the path that is the whole content of a small file, or None; raise `ValueError`."""
    try:
        with opened(name) as descriptor:
            content = read_all(descriptor, _LONGEST_LINE)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        # The agent cannot read an unreadable file either.
        return None
    except OSError as error:
        raise ValueError("it cannot be read") from error
    text = content.rstrip(b" \t\r\n").removesuffix(b"/").decode()
    path = text.removeprefix(mark).lstrip(" ")
    if not text.startswith(mark) or not path or not _ODD.isdisjoint(path):
        raise ValueError("git would have written something else")
    return path


def _follow(base: str, word: str) -> str | None:
    """Return where *word* leads from *base*, a path without links; None if not accessible.

    Raise `ValueError` if the text (path.resolve() of Node.js) and the links lead to different
    places.
    """
    path = word
    if not word.startswith("/"):
        while word == ".." or word.startswith("../"):
            base, word = base.rpartition("/")[0], word[3:]
        path = f"{base}/{word}" if word else base
    if "/.." in word:
        raise ValueError("behind a name it leads elsewhere where that is a link or is missing")
    try:
        real = os.path.realpath(path or "/", strict=True)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except OSError as error:
        raise ValueError("it cannot be followed") from error
    if real != (path or "/"):
        raise ValueError("links are on the way")
    return path
