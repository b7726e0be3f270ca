"""Deadlines fire, a clock that is set is noticed, and nothing rings without a reason."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import math
import os
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from credward.daemon import wakeups
from credward.daemon.wakeups import TickWakeups, TimerWakeups, open_wakeups
from waiting import PATIENCE

Wakeups = TickWakeups | TimerWakeups

needs_timerfd = pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux's")
BOTH = [TickWakeups, pytest.param(TimerWakeups, marks=needs_timerfd)]


def _descriptors() -> set[tuple[str, str]]:
    """Return what is open here, as far as there is a place to look."""
    found = set()
    for number in os.listdir("/proc/self/fd") if sys.platform == "linux" else ():
        with contextlib.suppress(OSError):
            found.add((number, os.readlink(f"/proc/self/fd/{number}")))
    return found


class Bell:
    """Counts how often it rang, and lets a test wait for it."""

    def __init__(self) -> None:
        self.rings = 0
        self._rang = asyncio.Event()

    def __call__(self) -> None:
        self.rings += 1
        self._rang.set()

    async def wait(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._rang.wait()
        self._rang.clear()


@pytest.fixture
def opened() -> Iterator[list[Wakeups]]:
    opened: list[Wakeups] = []
    yield opened
    for each in opened:
        each.close()


async def start(
    opened: list[Wakeups], make: Callable[[asyncio.AbstractEventLoop], Wakeups]
) -> tuple[Wakeups, Bell]:
    """Open wake-ups of this kind that ring a bell."""
    made, bell = make(asyncio.get_running_loop()), Bell()
    opened.append(made)
    made.watch(bell)
    return made, bell


@pytest.mark.parametrize("kind", BOTH)
async def test_a_deadline_fires_once_and_not_early(
    opened: list[Wakeups], kind: type[Wakeups]
) -> None:
    """By the clock that it was set by."""
    made, bell = await start(opened, kind)
    began = time.monotonic()
    made.set(0.15)
    await bell.wait()

    # Two processors of a virtual machine may differ by a millisecond.
    assert time.monotonic() - began >= 0.14
    await asyncio.sleep(0.2)
    assert bell.rings == 1


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("seconds", [0.0, -5.0, 1e-12])
async def test_what_is_over_fires_at_once(
    opened: list[Wakeups], kind: type[Wakeups], seconds: float
) -> None:
    """A deadline in the past must not disarm, and no remainder is too small."""
    made, bell = await start(opened, kind)
    made.set(seconds)

    await bell.wait()


@pytest.mark.parametrize("kind", BOTH)
async def test_the_last_deadline_set_is_the_one(opened: list[Wakeups], kind: type[Wakeups]) -> None:
    """Later, earlier or none at all; also one further off than the kernel can hold."""
    made, bell = await start(opened, kind)
    made.set(0.05)
    made.set(1e30)
    await asyncio.sleep(0.1)
    assert bell.rings == 0
    made.set(0.05)
    made.set(math.inf)
    await asyncio.sleep(0.1)
    assert bell.rings == 0

    made.set(0.01)
    await bell.wait()


@pytest.mark.parametrize("kind", BOTH)
async def test_nothing_rings_after_closing(opened: list[Wakeups], kind: type[Wakeups]) -> None:
    """No callback and no descriptor stays behind."""
    before = _descriptors()
    made, bell = await start(opened, kind)
    made.set(0.02)
    made.close()
    await asyncio.sleep(0.1)

    assert bell.rings == 0
    # Others' may go meanwhile.
    assert _descriptors() <= before


@needs_timerfd
async def test_t13_a_clock_that_is_set_wakes(opened: list[Wakeups]) -> None:
    """T13: the real thing. The clock is set to what it is, which the kernel counts as a step."""
    _, bell = await start(opened, TimerWakeups)
    for _ in range(2):
        try:
            time.clock_settime_ns(time.CLOCK_REALTIME, time.clock_gettime_ns(time.CLOCK_REALTIME))
        except PermissionError:
            pytest.skip("setting the clock needs CAP_SYS_TIME")
        await bell.wait()
    # Once per step, and armed again after each.
    assert bell.rings >= 2


@needs_timerfd
async def test_t13_a_cancelled_timer_rings_and_is_armed_again(
    opened: list[Wakeups], monkeypatch: pytest.MonkeyPatch
) -> None:
    """T13: what the kernel says after a step or a resume, where the clock may not be set."""
    made, bell = await start(opened, TimerWakeups)
    assert isinstance(made, TimerWakeups)

    def cancelled(descriptor: int, size: int) -> bytes:
        raise OSError(errno.ECANCELED, "cancelled")

    with monkeypatch.context() as patched:
        patched.setattr(wakeups.os, "read", cancelled)
        made._stepped()
    assert bell.rings == 1
    made._stepped()

    assert bell.rings == 1, "nothing to read: not a step"


@needs_timerfd
async def test_s11_a_clock_that_is_set_while_the_timer_is_armed_again_still_wakes(
    opened: list[Wakeups], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S11: timerfd_settime(2) itself says ECANCELED then; it has armed the timer all the same."""
    made, bell = await start(opened, TimerWakeups)
    assert isinstance(made, TimerWakeups)
    true = made._libc

    class SetJustNow:
        def timerfd_settime(self, *words: object) -> int:
            assert true.timerfd_settime(*words) == 0
            ctypes.set_errno(errno.ECANCELED)
            return -1

    def cancelled(descriptor: int, size: int) -> bytes:
        raise OSError(errno.ECANCELED, "cancelled")

    with monkeypatch.context() as patched:
        patched.setattr(made, "_libc", SetJustNow())
        patched.setattr(wakeups.os, "read", cancelled)
        made._stepped()
    assert bell.rings == 1

    # Armed: the next step is heard of too, and so is a deadline.
    made.set(0.01)
    await bell.wait()


@needs_timerfd
async def test_s11_two_clocks_set_at_once_lose_no_step(opened: list[Wakeups]) -> None:
    """S11: the real thing. Set again and again while the timer is armed, each lot wakes."""
    made, bell = await start(opened, TimerWakeups)
    assert isinstance(made, TimerWakeups)
    for _ in range(50):
        for _ in range(4):
            try:
                now = time.clock_gettime_ns(time.CLOCK_REALTIME)
                time.clock_settime_ns(time.CLOCK_REALTIME, now)
            except PermissionError:
                pytest.skip("setting the clock needs CAP_SYS_TIME")
            made._watch_for_steps()
        time.clock_settime_ns(time.CLOCK_REALTIME, time.clock_gettime_ns(time.CLOCK_REALTIME))
        await bell.wait()


@needs_timerfd
async def test_where_there_is_no_timerfd_a_tick_stands_in(
    opened: list[Wakeups], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox that refuses the call costs 30 s of delay, not the daemon."""
    loop = asyncio.get_running_loop()
    opened.append(open_wakeups(loop))
    assert isinstance(opened[-1], TimerWakeups)

    class Sandbox:
        def timerfd_create(self, *_: int) -> int:
            return -1

    monkeypatch.setattr(wakeups.ctypes, "CDLL", lambda *_args, **_words: Sandbox())
    opened.append(open_wakeups(loop))
    assert isinstance(opened[-1], TickWakeups)


async def test_the_tick_goes_on_by_itself(
    opened: list[Wakeups], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to set it again for a step to be noticed."""
    monkeypatch.setattr(wakeups, "_TICK", 0.02)
    made, bell = await start(opened, TickWakeups)
    made.set(math.inf)
    for _ in range(3):
        await bell.wait()
