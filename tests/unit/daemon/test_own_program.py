"""A program of the owner: what it sees, how long it may take, and that it harms nobody."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from credward.daemon.own_program import OwnProgram, run_own_program
from fakes.watching import gone
from waiting import PATIENCE, until


def program(*command: str) -> OwnProgram:
    return OwnProgram(command=command, variables={}, key="notify", occasion="login-required")


async def test_one_that_hangs_is_killed_with_what_it_started(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At the deadline, also what moved to a session of its own."""
    mark = tmp_path / "mark"
    script = f"(setsid sh -c 'echo $$ >{mark}; exec sleep 600') & sleep 600"
    begun = time.monotonic()
    await run_own_program(program("sh", "-c", script), {}, deadline=6)

    assert time.monotonic() - begun < PATIENCE
    assert "took longer than 6 s" in caplog.text
    until(lambda: gone(int(mark.read_text())))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("/nonexistent/program",), "cannot be run: No such file or directory"),
        (("false",), "was run for login-required, exit 1"),
        (("true",), "was run for login-required, exit 0"),
    ],
)
async def test_how_it_ended_is_logged_and_raises_nothing(
    command: tuple[str, ...], expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Telling is a courtesy."""
    caplog.set_level(logging.INFO)
    await run_own_program(program(*command), {})

    assert expected in caplog.text
