"""The grants against an independent model: see `grant_model`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.examples
@pytest.mark.timeout(600)
def test_promises_hold_on_any_history() -> None:
    """In a process of its own: whatever other tests left running would make histories differ."""
    done = subprocess.run(
        [sys.executable, str(TESTS / "property/grant_model.py")],
        env={**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent / 'broker'}"},
        capture_output=True,
        text=True,
        timeout=540,
    )

    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
