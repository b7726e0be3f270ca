"""Places for mints: those that hang keep out neither the others nor, the next time, anybody."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from credward.workers.slots import Slots
from fakes.loop import on_idle_time

PATIENCE = 0.05


class Mints:
    """Mints that hold a place until they are told to end."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self.out: set[str] = set()

    async def begin(self, *names: str) -> set[str]:
        """Begin mints; return which of them got a place at once."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._mint(name))
        await asyncio.sleep(0.01)
        return self.out & set(names)

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
            await self._tasks[name]

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._tasks[name]

    async def close(self) -> None:
        for name in self._tasks:
            await self.cancel(name)

    async def _mint(self, name: str) -> None:
        async with self._slots.hold(name):
            self.out.add(name)
            try:
                await self._ends[name].wait()
            finally:
                self.out.discard(name)


@pytest.fixture
def mints():
    return Mints(Slots(size=2, spare=2, patience=PATIENCE))


async def overstay() -> None:
    await asyncio.sleep(PATIENCE * 2)


@on_idle_time
async def test_as_many_as_there_are_places(mints):
    """The rest waits its turn."""
    assert await mints.begin("a", "b", "c") == {"a", "b"}
    await mints.end("a")
    await asyncio.sleep(0.01)

    assert mints.out == {"b", "c"}


@on_idle_time
async def test_those_that_hang_make_room(mints):
    """But only as many as there are spare places."""
    await mints.begin("a", "b", "c", "d", "e", "f")
    await overstay()
    assert mints.out == {"a", "b", "c", "d"}
    await overstay()
    assert mints.out == {"a", "b", "c", "d"}
    await mints.end("a")
    await asyncio.sleep(0.01)
    # One of the two that had overstayed since moved on.
    assert mints.out == {"b", "c", "d", "e"}


@on_idle_time
async def test_who_hung_does_so_elsewhere_the_next_time(mints):
    """However many they are, the usual places are for the others."""
    for each in ("a", "b", "c", "d"):
        await mints.begin(each)
        await overstay()
        await mints.end(each)

    assert len(await mints.begin("a", "b", "c", "d")) == 2
    assert await mints.begin("e", "f") == {"e", "f"}


@on_idle_time
async def test_who_is_quick_again_is_as_good_as_any(mints):
    """One mint in time is enough."""
    await mints.begin("a")
    await overstay()
    await mints.end("a")
    await mints.begin("a")
    await mints.end("a")
    await mints.begin("b", "c")
    await overstay()

    assert await mints.begin("a") == {"a"}
    assert await mints.begin("d") == {"d"}
    assert await mints.begin("e") == set()


@on_idle_time
async def test_no_place_is_lost_to_mints_that_are_cancelled(mints):
    """Waiting, working, overstaying, or just about to move."""
    for name in ("a", "b", "c", "d"):
        await mints.begin(name)
    await overstay()
    await mints.begin("e", "f", "g")
    await overstay()
    for name in ("g", "e", "a", "f", "b", "c", "d"):
        await mints.cancel(name)
    await asyncio.sleep(0.01)

    assert mints.out == set()
    assert len(await mints.begin("p", "q", "r")) == 2
    await overstay()
    assert mints.out == {"p", "q", "r"}


@on_idle_time
async def test_where_nothing_is_spare_all_wait():
    """A keychain asks its user once at a time."""
    mints = Mints(Slots(size=1, spare=0, patience=PATIENCE))
    assert await mints.begin("a", "b") == {"a"}
    await overstay()
    assert mints.out == {"a"}
    await mints.end("a")
    await asyncio.sleep(0.01)

    assert mints.out == {"b"}
