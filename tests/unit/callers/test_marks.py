"""Reading what a harness left in an environment, within a deadline."""

import asyncio
import sys
from pathlib import Path

import pytest

from credward.callers.looking import Looker
from credward.callers.marks import MarkReader
from credward.callers.programs import MARKS, UNKNOWN_HARNESS
from unit.callers.environments import running
from waiting import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize("mark", MARKS)
async def test_s8_each_mark_is_known(mark: str) -> None:
    """S-8: by its name, whatever its value."""
    with running(**{mark: "", "OTHER": mark}) as pid:
        assert await MarkReader(Looker()).read(pid) == MARKS[mark]


async def test_no_mark_is_no_harness() -> None:
    """A name that only begins like one is none."""
    with running(CLAUDECODES="1", X="CLAUDECODE=1") as pid:
        assert await MarkReader(Looker()).read(pid) is None


async def test_what_is_hidden_or_gone_cannot_be_ruled_out() -> None:
    """Absent is not none."""
    with running() as pid:
        pass
    assert await MarkReader(Looker()).read(pid) == UNKNOWN_HARNESS


async def test_s16_nobody_waits_longer_than_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-16: what did not answer by then is killed."""
    # The kernel waits for the memory of that process, say.
    hangs = tmp_path / "python"
    hangs.write_text("#!/bin/sh\nexec sleep 600\n")
    hangs.chmod(0o700)
    with running() as pid:
        monkeypatch.setattr(sys, "executable", str(hangs))
        looker = Looker(deadline=0.0, most=1)
        slow = MarkReader(looker)
        assert await slow.read(pid) == UNKNOWN_HARNESS
        (killed,) = looker._running
        assert killed.wait(60) == -9


async def test_s16_who_finds_all_places_taken_waits_in_line() -> None:
    """S-16: an owner is not taken for an agent because others ask too."""
    looker = Looker(most=1, deadline=PATIENCE)
    reader = MarkReader(looker)
    with running() as pid:
        assert await asyncio.gather(*(reader.read(pid) for _ in range(5))) == [None] * 5
    assert len(looker._running) <= 1


async def test_a_caller_that_leaves_takes_the_look_with_it() -> None:
    """Nothing goes on for nobody."""
    looker = Looker()
    reader = MarkReader(looker)
    with running() as pid:
        look = asyncio.create_task(reader.read(pid))
        await asyncio.sleep(0)
        look.cancel()
        with pytest.raises(asyncio.CancelledError):
            await look
        (killed,) = looker._running
        assert killed.wait(60) == -9
