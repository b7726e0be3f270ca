"""When freed memory is overwritten: soon, in small steps, and not too often."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from credward.daemon import scrubbing
from credward.daemon.scrubbing import Scrubber
from fakes.loop import on_idle_time


class Work:
    """Counts how often it was begun and done, three steps each."""

    def __init__(self) -> None:
        self.begun = self.done = 0

    def steps(self) -> Iterator[None]:
        self.begun += 1
        yield
        yield
        yield
        self.done += 1


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrubbing, "_SOON", 0.02)
    monkeypatch.setattr(scrubbing, "_PAUSE", 0.2)


@on_idle_time
async def test_it_is_done_a_moment_later() -> None:
    """Whoever gave up a secret still holds it while it says so."""
    work = Work()
    Scrubber(work.steps).soon()
    assert work.begun == 0
    await asyncio.sleep(0.15)

    assert work.done == 1


@on_idle_time
async def test_others_are_answered_between_the_steps() -> None:
    """One step for one turn of the loop."""
    order: list[str] = []

    def steps() -> Iterator[None]:
        for number in range(3):
            asyncio.get_running_loop().call_soon(order.append, "other")
            order.append(str(number))
            yield

    Scrubber(steps).soon()
    await asyncio.sleep(0.15)

    assert order == ["0", "other", "1", "other", "2", "other"]


@on_idle_time
async def test_what_comes_while_it_rests_is_done_once_after() -> None:
    """A hundred refreshes are two rounds."""
    work = Work()
    scrubber = Scrubber(work.steps)
    for _ in range(100):
        scrubber.soon()
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.6)

    assert 1 <= work.done <= 3
    before = work.done
    await asyncio.sleep(0.5)
    assert work.done == before
    scrubber.soon()
    await asyncio.sleep(0.2)
    assert work.done == before + 1


@on_idle_time
async def test_at_the_end_nothing_is_begun() -> None:
    """The process takes its memory along."""
    work = Work()
    scrubber = Scrubber(work.steps)
    scrubber.soon()
    scrubber.close()
    scrubber.soon()
    await asyncio.sleep(0.1)

    assert work.begun == 0
