"""When a store locks itself: after so long without an ask, also over a sleep of the machine."""

from __future__ import annotations

import asyncio

import pytest

from credward.administering.idle_lock import IdleLock
from fakes.clock import FakeClock
from fakes.loop import on_idle_time


class Bench:
    def __init__(self, after: float | None = 0.05) -> None:
        self.clock = FakeClock()
        self.locks = 0
        self.locked = False
        self.after = after
        self.tasks: set[asyncio.Task[None]] = set()
        self.idle = IdleLock(
            clock=self.clock,
            after=lambda: self.after,
            locked=lambda: self.locked,
            lock=self.lock,
            spawn=lambda work: self.tasks.add(asyncio.get_running_loop().create_task(work)),
        )

    async def lock(self) -> None:
        self.locks += 1
        self.locked = True


@on_idle_time
async def test_it_locks_once_when_nobody_asked_for_so_long() -> None:
    """Overdue at once, locked with the next look at the clock."""
    bench = Bench()
    bench.idle.touch()
    bench.clock.advance(0.04)
    assert not bench.idle.overdue
    bench.clock.advance(0.01)
    assert bench.idle.overdue
    await asyncio.sleep(0.15)

    assert bench.locks == 1


@on_idle_time
async def test_an_ask_puts_it_off() -> None:
    """What counts is the last one."""
    bench = Bench()
    bench.idle.touch()
    for _ in range(4):
        bench.clock.advance(0.04)
        await asyncio.sleep(0.04)
        bench.idle.touch()

    assert bench.locks == 0
    bench.idle.close()


@on_idle_time
async def test_after_an_unlock_it_begins_anew() -> None:
    """A second time is as good as the first."""
    bench = Bench()
    for times in (1, 2):
        bench.locked = False
        bench.idle.touch()
        bench.clock.advance(1)
        await asyncio.sleep(0.15)
        assert bench.locks == times


@pytest.mark.parametrize("after", [None, 3600.0])
@on_idle_time
async def test_it_does_nothing_before_its_time_or_without_one(after: float | None) -> None:
    """None is the default."""
    bench = Bench(after)
    bench.idle.touch()
    bench.clock.advance(60)
    await asyncio.sleep(0.01)

    assert (bench.locks, bench.idle.overdue) == (0, False)
    bench.idle.close()
