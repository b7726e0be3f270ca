"""Change single members of a JSON text and keep every other byte.

We do not reformat files that people edit by hand. The tools' files beside this one decide what to
change; the standard library's `json` reads and writes values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from credward.cli.setup.unreadable import UnreadableError

__all__ = ["get_member", "lines_of", "remove_member", "set_member"]

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class _Member(msgspec.Struct, frozen=True):
    """One member of an object: its key, and the positions of key and value in the text."""

    key: str
    start: int
    value_start: int
    end: int


def get_member(text: str, path: tuple[str, ...]) -> Any:
    """Return the value at *path*, or None; raises `UnreadableError`."""
    value: Any = _load(text)
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def set_member(text: str, path: tuple[str, ...], value: Any) -> str:
    """Return *text* with the value at *path* set; missing objects on the way are made."""
    _load(text or "{}")
    return _set(text if text.strip() else "{}\n", path, value, _indent_of(text))


def remove_member(text: str, path: tuple[str, ...]) -> str:
    """Return *text* without the member at *path*; unchanged if there is none."""
    _load(text)
    start = _object_at(text, path[:-1])
    if start is None:
        return text
    members = list(_members(text, start))
    index = next((i for i, each in enumerate(members) if each.key == path[-1]), None)
    if index is None:
        return text
    member = members[index]
    if index + 1 < len(members):
        return text[: member.start] + text[members[index + 1].start :]
    if index > 0:
        return text[: members[index - 1].end] + text[member.end :]
    close = _skip(text, member.end)
    return text[: start + 1] + text[close:]


def lines_of(path: tuple[str, ...], value: Any) -> list[str]:
    """Return the line that a plain *value* at *path* is written as, but for its comma."""
    return [f"{json.dumps(path[-1])}: {json.dumps(value, ensure_ascii=False)}"]


def _set(text: str, path: tuple[str, ...], value: Any, indent: str) -> str:
    depth, start = 0, _skip(text, 1 if text.startswith("\ufeff") else 0)
    while True:
        members = list(_members(text, start))
        found = next((each for each in members if each.key == path[depth]), None)
        if found is None:
            for key in reversed(path[depth + 1 :]):
                value = {key: value}
            return _append(text, start, members, path[depth], value, indent * (depth + 1), indent)
        nested = text[found.value_start] == "{"
        if depth == len(path) - 1 or not nested:
            for key in reversed(path[depth + 1 :]):
                value = {key: value}
            written = _dump(value, indent * (depth + 1), indent, _newline_of(text))
            return text[: found.value_start] + written + text[found.end :]
        start = found.value_start
        depth += 1


def _append(
    text: str,
    start: int,
    members: list[_Member],
    key: str,
    value: Any,
    inner: str,
    indent: str,
) -> str:
    newline = _newline_of(text)
    written = f"{json.dumps(key)}: {_dump(value, inner, indent, newline)}"
    if members:
        # Like its neighbours: each on its own line, or all on one.
        last = members[-1]
        before = text[: last.start]
        alone = before.rfind("\n") > before.rfind("{") or before.rfind("\n") > before.rfind(",")
        gap = f",{newline}{inner}" if alone else ", "
        return text[: last.end] + gap + written + text[last.end :]
    close = _skip(text, start + 1)
    outer = inner[: len(inner) - len(indent)]
    return f"{text[: start + 1]}{newline}{inner}{written}{newline}{outer}{text[close:]}"


def _members(text: str, start: int) -> Iterator[_Member]:
    """Walk the members of the object that begins at *start*; the text is valid JSON."""
    at = _skip(text, start + 1)
    while text[at] != "}":
        key, after_key = _DECODER.raw_decode(text, at)
        value_start = _skip(text, _skip(text, after_key) + 1)
        _value, end = _DECODER.raw_decode(text, value_start)
        yield _Member(key, at, value_start, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _object_at(text: str, path: tuple[str, ...]) -> int | None:
    start = _skip(text, 1 if text.startswith("\ufeff") else 0)
    for key in path:
        found = next((each for each in _members(text, start) if each.key == key), None)
        if found is None or text[found.value_start] != "{":
            return None
        start = found.value_start
    return start


def _load(text: str) -> dict[str, Any]:
    def refuse_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a key stands twice in one object")
        return dict(pairs)

    try:
        value = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=refuse_doubles)
    except ValueError as error:
        place, what = _fault(error)
        raise UnreadableError(f"is not valid JSON{place} ({what})") from error
    if not isinstance(value, dict):
        raise UnreadableError("does not hold a JSON object")
    return value


def _fault(error: ValueError) -> tuple[str, str]:
    """Return where and what is wrong; a last comma is the fault, not what comes after it."""
    if not isinstance(error, json.JSONDecodeError):
        return "", str(error)
    before = error.doc[: error.pos].rstrip()
    if before.endswith(",") and error.doc[error.pos : error.pos + 1] in {"}", "]"}:
        line = before.count("\n") + 1
        return f" at line {line}", "a comma after the last member"
    return f" at line {error.lineno}", error.msg


def _dump(value: Any, inner: str, indent: str, newline: str) -> str:
    lines = json.dumps(value, indent=indent or None, ensure_ascii=False).split("\n")
    return newline.join([lines[0], *(inner + line for line in lines[1:])])


def _indent_of(text: str) -> str:
    found = re.search(r"\{[ \t]*\r?\n([ \t]+)\"", text)
    return found[1] if found else "  "


def _newline_of(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
