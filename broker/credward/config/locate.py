"""Find the line of a key in a TOML text, so that every error can name it.

`tomllib` gives values without places. This only looks for headers and keys; `tomllib` has already
checked the text.
"""

from __future__ import annotations

import re
import tomllib

__all__ = ["Locator"]

_HEADER = re.compile(r"^\s*\[(?P<list>\[)?\s*(?P<path>[^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""^\s*(?P<path>(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_TRIPLE = re.compile(r'"""|\'\'\'')


class Locator:
    """Lines (from 1) of the tables and keys of one text; tables of a list are numbered from 0."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        numbers: dict[tuple[str, ...], int] = {}
        inside: str | None = None
        for number, line in enumerate(text.splitlines(), 1):
            if inside is None:
                if (header := _HEADER.match(line)) is not None:
                    table = _split(header["path"])
                    if header["list"]:
                        numbers[table] = numbers.get(table, -1) + 1
                        table = (*table, str(numbers[table]))
                    self._note(table, number)
                elif (key := _KEY.match(line)) is not None:
                    self._note(table + _split(key["path"]), number)
            # A line inside a multi-line string is only text.
            for mark in _TRIPLE.findall(line):
                if inside is None:
                    inside = mark
                elif inside == mark:
                    inside = None

    def line(self, *path: str) -> int:
        """Return the line of *path*, of the nearest table above it, or 1."""
        for length in range(len(path), 0, -1):
            if (found := self._lines.get(path[:length])) is not None:
                return found
        return 1

    def _note(self, path: tuple[str, ...], number: int) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], number)
        self._lines[path] = min(self._lines[path], number)


def _split(path: str) -> tuple[str, ...]:
    return tuple(
        tomllib.loads(f"k = {part}")["k"] if part[0] in "\"'" else part
        for part in _PART.findall(path)
    )
