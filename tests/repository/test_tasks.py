"""The Makefile is the one door for developers, and the gate can be run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from repository.tree import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is missing")
def test_help_lists_every_task() -> None:
    """`make` alone says what there is."""
    tasks = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert tasks is not None
    told = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert re.findall(r"^  make ([a-z-]+)", told, re.MULTILINE) == tasks[1].split()


def test_the_readme_names_tasks_that_exist() -> None:
    """Every `make TASK` of the documents is a task."""
    named = set()
    for document in (ROOT / "README.md", ROOT / "docs/contributing.md", ROOT / "ARCHITECTURE.md"):
        named |= set(
            re.findall(r"\bmake ([a-z-]+)\b(?=[`\s]*(?:`|#|$))", document.read_text(), re.MULTILINE)
        )

    assert named
    assert [task for task in sorted(named) if f"\n{task}:" not in MAKEFILE] == []


def test_the_gate_can_be_run() -> None:
    """Scripts of the gate are executable and stop at the first failure."""
    scripts = [path for path in (ROOT / ".ci").iterdir() if path.is_file()]

    assert scripts
    assert [path.name for path in scripts if not os.access(path, os.X_OK)] == []
    assert [path.name for path in scripts if "set -euo pipefail" not in path.read_text()] == []


def test_constraints_are_versions_alone() -> None:
    """Every line pins one package: no hash, no address, no option."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()

    assert [
        line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)
    ] == []
