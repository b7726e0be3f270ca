"""What must not be committed: addresses of package registries, paths of somebody's machine, unfinished work."""

from __future__ import annotations

import re

from repository.tree import ROOT, committed

# Put together here, so that this file does not hold what it looks for.
REGISTRIES = "|".join(
    re.escape(".".join(words))
    for words in (
        ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("crates", "io"),
        ("ghcr", "io"), ("docker", "io"), ("quay", "io"), ("gcr", "io"), ("proxy", "golang", "org"),
    )
)  # fmt: skip
MACHINE = "|".join(
    "/" + place for place in ("work/", "root/", "Users/[a-z]", "opt/venv", "home/[a-z]+/")
)
UNFINISHED = "|".join((r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bXX" + r"X\b"))

# Example paths of the manual and of tests that need one.
HARMLESS = re.compile(r"/(home|Users)/(you|me|someone|alice|user|nobody|[a-z])\b")


def lines_with(pattern: str) -> list[str]:
    """Return `file:line` of every line in a committed text that matches."""
    wanted = re.compile(pattern)
    found = []
    for path in committed():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if wanted.search(HARMLESS.sub("", line)):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    return found


def test_no_registry_is_named() -> None:
    """Where packages come from is decided by whoever installs."""
    assert lines_with(REGISTRIES) == []


def test_no_machine_is_named() -> None:
    """Paths that exist on one machine only."""
    assert lines_with(rf"(?<![\w.~}}/])({MACHINE})") == []


def test_nothing_is_left_for_later() -> None:
    """An open end belongs into an issue, not into the source."""
    assert lines_with(UNFINISHED) == []
