"""The line of a file that an error is about, with a mark below it, for people.

Finds the place in messages of the form `path:line: text`; what may be a secret is masked.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from credward.config.layers import toml_place
from credward.masking import masked
from credward.named_files import read_text

__all__ = ["excerpt", "shown_line"]

_PLACE = re.compile(r"(?P<path>/[^\n]*?\.(?:toml|cedar)):(?P<line>\d+): (?P<text>.*)", re.DOTALL)
# The key that the text of an error is about.
_UNKNOWN = re.compile(r'unknown key "([^"]+)"')
_PATH = re.compile(r'([\w."-]+): ')
# Characters of a line; longer ones are cut.
_LONGEST = 160


def excerpt(message: str) -> str | None:
    """Return the line that *message* names, and a mark below it; None if it names none."""
    place = _PLACE.match(message)
    if place is None:
        return None
    number = int(place["line"])
    try:
        text = read_text(Path(place["path"]))
        line = text.split("\n")[number - 1]
    except (OSError, UnicodeDecodeError, IndexError):
        return None
    shown = shown_line(text, number)
    if not shown.strip():
        return None
    start, length = _mark(text, line, shown, number, place["text"])
    gutter = f"{number:6} | "
    return f"{gutter}{shown}\n{'|':>{len(gutter) - 1}} {' ' * start}{'^' * length}"


def shown_line(text: str, number: int = 1) -> str:
    """Return a line of a configuration without what may be a secret or steers a terminal.

    The lines before it may say that it is one.
    """
    line = masked(text).split("\n")[number - 1]
    line = "".join(each if each.isprintable() else " " for each in line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _mark(text: str, line: str, shown: str, number: int, problem: str) -> tuple[int, int]:
    """Return where the mark below *shown* starts and how long it is."""
    first = len(shown) - len(shown.lstrip())
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at, column = toml_place(error, text)
        if at == number:
            same = shown[: column - 1] == line[: column - 1]
            return (min(column - 1, len(shown)) if same else first), 1
    unknown, path = _UNKNOWN.search(problem), _PATH.match(problem)
    key = unknown[1] if unknown else path[1].rpartition(".")[2] if path else ""
    found = re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", shown) if key else None
    if found is None:
        return first, max(1, len(shown.strip()))
    return found.start(), len(key)
