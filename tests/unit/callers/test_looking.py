"""Programs of ours that look at a process: their output, their end, their deadline."""

from __future__ import annotations

import asyncio
import sys

import pytest

from credward.callers.looking import Ended, Looker
from waiting import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="waits by pidfd")

SHELL = ("/bin/sh", "-c")


async def test_tells_what_it_wrote_and_how_it_ended() -> None:
    ended = await Looker().run(*SHELL, "echo one; echo two; exit 3")
    assert ended == Ended(code=3, output=b"one\ntwo\n")


async def test_shows_no_output() -> None:
    """It may hold what a variable of somebody holds."""
    assert repr(await Looker().run(*SHELL, "echo secret")) == "Ended(0, 7 bytes)"


async def test_a_program_that_is_not_there_tells_nothing() -> None:
    assert await Looker().run("/nonexistent/program") is None


async def test_it_has_no_environment_and_no_input() -> None:
    ended = await Looker(deadline=PATIENCE).run(*SHELL, "cat; pwd; echo ${HOME-none}")
    assert ended is not None
    assert ended.output == b"/\nnone\n"


@pytest.mark.parametrize("line", ["exec sleep 600", "exec >&-; exec sleep 600"])
async def test_s16_nobody_waits_longer_than_the_deadline(line: str) -> None:
    """S-16: neither for its output nor for its end; it is killed."""
    looker = Looker(deadline=0.3)
    assert await looker.run(*SHELL, line) is None
    (killed,) = looker._running
    assert killed.wait(60) == -9


async def test_one_that_writes_without_end_is_killed() -> None:
    looker = Looker(deadline=PATIENCE)
    assert await looker.run(*SHELL, "exec yes") is None
    (killed,) = looker._running
    assert killed.wait(60) in {-9, -13}


async def test_s16_who_finds_all_places_taken_waits_in_line() -> None:
    looker = Looker(most=1, deadline=PATIENCE)
    found = await asyncio.gather(*(looker.run(*SHELL, "echo x") for _ in range(4)))
    assert found == [Ended(code=0, output=b"x\n")] * 4
    assert len(looker._running) <= 1
