"""The settings files of Claude Code around a folder, handed over without a look inside.

What the helper finds (`folder.c`, `worktree.c`), for those who ask in Python; what they say is
judged by the daemon. It waits for file systems, for ever where they do not answer: for that
`surroundings` has a child.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from credward.folder import encode
from credward.named_files import opened, read_all

__all__ = ["find_settings"]

# The longest body (bytes); what does not fit is said to be too large.
_LIMIT = 60 * 1024
_LEVELS = 32
# A path in a file of git's.
_LONGEST_LINE = 4096
_NAMES = (".claude/settings.json", ".claude/settings.local.json")
# White space of JavaScript (ECMA-262, String.prototype.trim) beyond ASCII, and controls.
_ODD = frozenset(
    {chr(each) for each in (*range(0x20), *range(0x7F, 0xA1), *range(0x2000, 0x200B))}
    | set("\u1680\u2028\u2029\u202f\u205f\u3000\ufeff")
)


def find_settings(start: str) -> bytes:
    """Return records (`credward.folder`) of what is found from *start* up, an absolute path.

    Up to the first folder with a `.git` that is no link; of each `.git` that is not understood too.
    """
    body = b""
    for name, record in _records(start.rstrip("/")):
        if record is None or len(body) + len(record) > _LIMIT:
            return encode("too-large", name)
        body += record
    return body


def _records(folder: str) -> Iterator[tuple[str, bytes | None]]:
    """Yield the name and the record of each, None for a file that is too large by itself."""
    for _ in range(_LEVELS):
        git = f"{folder}/.git"
        kind = _kind_of(git)
        if kind is None:
            yield git, encode("unreadable", git)
        yield from _settings_in(folder)
        if kind == stat.S_IFREG:
            yield from _settings_of_main(folder)
        # A link may be none to the agent, depending on its words: the look goes on up there.
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
        trees = _main_trees(folder)
    except ValueError:
        yield f"{folder}/.git", encode("unreadable", f"{folder}/.git")
    else:
        for tree in trees:
            yield from _settings_in(tree)


def _kind_of(path: str) -> int | None:
    """Return the kind of file, 0 for none and where nobody may look, None if not known."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)  # noqa: PTH116 - any bytes are a name
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return 0
    except OSError:
        return None


# --- the main working tree of a linked one (gitrepository-layout(5)); why so strict: worktree.c ---


def _main_trees(folder: str) -> list[str]:
    """Return the main working tree, or two where links make that depend on who looks.

    Raise `ValueError` where git would have written it in other words.
    """
    word = _path_in(f"{folder}/.git", "gitdir:")
    if word is None:
        raise ValueError("it is gone")
    gitdir = _by_words(folder, word)
    common = _path_in(f"{gitdir}/commondir", "")
    if common is None:
        return []
    try:
        followed = os.path.realpath(os.path.join(gitdir, common), strict=True)  # noqa: PTH118
    except OSError as error:
        raise ValueError("it leads nowhere") from error
    found = (_by_words(gitdir, common), _by_words("", followed))
    return list(dict.fromkeys(each.rstrip("/").removesuffix("/.git") for each in found))


def _path_in(name: str, mark: str) -> str | None:
    """Return the path that is all of a small file, None where there is none; raise `ValueError`."""
    try:
        with opened(name) as descriptor:
            content = read_all(descriptor, _LONGEST_LINE)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        # What nobody may read is none to the agent either.
        return None
    except OSError as error:
        raise ValueError("it cannot be read") from error
    text = content.rstrip(b" \t\r\n").decode()
    path = text.removeprefix(mark).lstrip(" ")
    names = [each for each in path.split("/") if each]
    # `..` comes first only: behind a name it leads elsewhere where that is a link or is missing.
    while names and names[0] == ".." and not path.startswith("/"):
        del names[0]
    if not text.startswith(mark) or not path or not _ODD.isdisjoint(path) or ".." in names:
        raise ValueError("git would have written something else")
    return path


def _by_words(base: str, path: str) -> str:
    """Return where *path* leads from *base* by the words alone, as path.resolve() of Node.js."""
    return "/" + os.path.normpath(os.path.join(base or "/", path)).lstrip("/")  # noqa: PTH118
