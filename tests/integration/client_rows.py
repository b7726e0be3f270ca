"""The table of the real clients in docs/reference/clients.md: rows of the tests that ran them.

A test says what it saw with `row`. With WRITE_PAGES=1 that is kept in `clients/NAME.jsonl`, NAME being
the module of the test, and the page is written anew; else it is only printed.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

__all__ = ["COLUMNS", "FOLDER", "MARKS", "PAGE", "row", "rows", "table", "written"]

COLUMNS = ("client", "version", "door", "mode", "result")
FOLDER = Path(__file__).parent / "clients"
PAGE = Path(__file__).parents[2] / "docs/reference/clients.md"
MARKS = (
    "<!-- the table begins: the tests of the clients write it -->",
    "<!-- the table ends -->",
)


def row(client: str, version: str, door: str, mode: str, result: str) -> None:
    """Say what a test saw of a client: *result* is "works", or "not run: why"."""
    said = dict(zip(COLUMNS, (client, version, door, mode, result), strict=True))
    print(" | ".join(said.values()))
    if os.environ.get("WRITE_PAGES") == "1":
        _keep(said)


def rows() -> list[dict[str, str]]:
    """Return all rows that are kept, in the order of the page."""
    found = [
        json.loads(line)
        for path in FOLDER.glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return sorted(found, key=_place)


def table() -> str:
    """Return the rows as the page has them, between its two marks."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(each[name] for name in COLUMNS)} |" for each in rows()]
    return "\n".join(["", *lines, ""])


def written(page: str, inside: str) -> str:
    """Return the text of a page with *inside* between its two marks."""
    before, _, rest = page.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}\n{inside}\n{MARKS[1]}{after}"


def _keep(said: dict[str, str]) -> None:
    """Put a row in the place of the one that it follows, and write the page."""
    module = os.environ["PYTEST_CURRENT_TEST"].partition("::")[0]
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{Path(module).stem.removeprefix('test_')}.jsonl"
    with (FOLDER.parent / "client_rows.py").open() as lock:
        # Test processes run side by side.
        fcntl.flock(lock, fcntl.LOCK_EX)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = {_key(each): each for each in map(json.loads, lines)}
        kept[_key(said)] = said
        lines = [json.dumps(each, ensure_ascii=False) for each in sorted(kept.values(), key=_place)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), table()), encoding="utf-8")


def _key(said: dict[str, str]) -> tuple[str, ...]:
    return tuple(said[name] for name in ("client", "door", "mode"))


def _place(said: dict[str, str]) -> tuple[str, ...]:
    return (said["client"].lower(), said["door"], said["mode"])
