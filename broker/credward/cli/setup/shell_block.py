"""Change marked blocks of lines in a file of a shell and keep every other byte.

As `conda init` and others do it: what is between the two marks is ours, and may be removed by hand.
Knows no shell: the lines are those of its user.
"""

from __future__ import annotations

import re
from typing import Any

from credward.cli.setup.unreadable import UnreadableError

__all__ = ["get_member", "lines_of", "remove_member", "set_member"]


def get_member(text: str, path: tuple[str, ...]) -> Any:
    """Return the lines of the block *path* names, or None; raises `UnreadableError`.

    Without a name: what the file holds, `{}` if that is nothing.
    """
    if not path:
        return {"": text} if text.strip() else {}
    found = _find(text, path[0])
    return None if found is None else found["lines"].replace("\r\n", "\n")


def set_member(text: str, path: tuple[str, ...], value: Any) -> str:
    """Return *text* with the lines *value* as this block; a new one comes last."""
    (name,) = path
    end = "\r\n" if "\r\n" in text else "\n"
    block = f"{_first(name)}\n{value}{_last(name)}\n".replace("\n", end)
    found = _find(text, name)
    if found is not None:
        return text[: found.start()] + block + text[found.end() :]
    gap = "" if not text or text.endswith("\n") else end
    return f"{text}{gap}{block}"


def remove_member(text: str, path: tuple[str, ...]) -> str:
    """Return *text* without this block; unchanged if there is none."""
    if not path:
        return ""
    found = _find(text, path[0])
    return text if found is None else text[: found.start()] + text[found.end() :]


def lines_of(path: tuple[str, ...], value: Any) -> list[str]:  # noqa: ARG001 - as for others
    """Return the lines of a block, without its marks."""
    return [line.strip() for line in str(value).splitlines()]


def _find(text: str, name: str) -> re.Match[str] | None:
    first, last = re.escape(_first(name)), re.escape(_last(name))
    pattern = rf"^{first}\r?\n(?P<lines>(?:(?!# <<<).*\r?\n)*?){last}(?:\r?\n|\Z)"
    found = list(re.finditer(pattern, text, re.MULTILINE))
    marks = len(re.findall(rf"^(?:{first}|{last})\r?$", text, re.MULTILINE))
    if marks != 2 * len(found) or len(found) > 1:
        raise UnreadableError(f'has a mark "{_first(name)}" without its other end')
    return found[0] if found else None


def _first(name: str) -> str:
    return f"# >>> credward {name} >>>"


def _last(name: str) -> str:
    return f"# <<< credward {name} <<<"
