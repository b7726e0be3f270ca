"""Pages with `console` blocks: what is typed in them is typed again, and what comes back is compared.

Values that differ in each run (tokens, times, pids) count as equal, and so do addresses and
directories that a test lends.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

__all__ = ["check_page"]

_TOKEN = re.compile(r"(?<![\w-])(eyJ[\w.-]{40,}|[A-Za-z0-9_-]{43})(?![\w-])")
_TOKEN_ALONE = re.compile(rf"^{_TOKEN.pattern}$", re.MULTILINE)
# What may differ: digits of a time, a token, an id, the name of a backup.
_VARYING = (
    (re.compile(r"(?<=127\.0\.0\.1%3A)\d+"), "PORT"),
    (re.compile(r"\b\d{8}-\d{6}\b"), "STAMP"),
    (re.compile(r"\b\d{2}:\d{2}(:\d{2})?\b"), "CLOCK"),
    (re.compile(r"\b\d{4}-\d{2}-\d{2}\b"), "DAY"),
    (re.compile(r"\b[0-9a-f]{12,16}\b"), "ID"),
    (re.compile(r"-?\b\d+d\d+h\b|-?\b\d+h\d+m\b|-?\b\d+m\d+s\b|-?\b\d+s\b"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? (ms|s|characters)\b"), r"NUMBER \2"),
    (re.compile(r"\bpython3\.\d+ "), "python "),
    (re.compile(r"\b(pid|claude|python|credward-helper) \d+"), r"\1 NUMBER"),
    (re.compile(r"  +"), "  "),
    (re.compile(r"-{3,}"), "---"),
)


def check_page(page: Path, run: Callable[[str], str], lent: Mapping[str, str]) -> None:
    """Type every command of *page* with *run*, and compare all that it shows.

    *lent*: what a test has in place of what the page shows. With WRITE_PAGES the page is
    written anew instead.
    """
    before = page.read_text(encoding="utf-8")
    after = "".join(_played(before, run, lent))
    if os.environ.get("WRITE_PAGES"):
        page.write_text(after, encoding="utf-8")
        return
    changes = "\n".join(difflib.unified_diff(_lines(before), _lines(after), "the page", "this run"))
    assert not changes, changes


def _played(text: str, run: Callable[[str], str], lent: Mapping[str, str]) -> Iterator[str]:
    inside = False
    for line in text.splitlines(keepends=True):
        if line.startswith("```"):
            inside = line.strip() == "```console"
            yield line
        elif not inside:
            yield line
        elif line.startswith("$ "):
            yield line
            command = line.removeprefix("$ ").rstrip("\n")
            for shown, ours in lent.items():
                command = command.replace(shown, ours)
            yield _as_shown(run(command), lent)


def _as_shown(output: str, lent: Mapping[str, str]) -> str:
    for shown, ours in lent.items():
        output = output.replace(ours, shown)
    output = _TOKEN_ALONE.sub("eyJhbGciOi…", output)
    output = _TOKEN.sub("…", output)
    lines = [line.rstrip() for line in output.splitlines()]
    return "".join(f"{line}\n" for line in lines)


def _lines(text: str) -> list[str]:
    found = []
    for line in text.splitlines():
        for varying, name in _VARYING:
            line = varying.sub(name, line)
        found.append(line)
    return found
