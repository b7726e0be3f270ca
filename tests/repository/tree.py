"""What is where: the files of this repository, for the tests that look at them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BROKER = ROOT / "broker/credward"
TESTS = ROOT / "tests"
DOCS = ROOT / "docs"


@cache
def modules() -> tuple[Path, ...]:
    """Return every module of the package, but for markers and `__main__`."""
    return tuple(
        path
        for path in sorted(BROKER.rglob("*.py"))
        if path.name not in {"__init__.py", "__main__.py"}
    )


@cache
def committed() -> tuple[Path, ...]:
    """Return the files under version control; all files where there is no repository (an sdist)."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\0")
        found = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        found = [
            path for path in ROOT.rglob("*") if not any(part.startswith(".") for part in path.parts)
        ]
    return tuple(path for path in sorted(found) if path.is_file())


def listed_reasons(name: str) -> dict[str, str]:
    """Return the lines `thing: reason` of a list beside the tests; # begins a comment."""
    lines = (TESTS / "repository" / name).read_text().splitlines()
    pairs = (line.partition(": ") for line in lines if line and not line.startswith("#"))
    return {thing: reason for thing, _, reason in pairs}
