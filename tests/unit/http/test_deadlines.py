"""A deadline that moves."""

from __future__ import annotations

import asyncio

from credward.http.deadlines import Deadline
from waiting import until_async


def test_expires_once_at_the_last_instant_set(run):
    """Moving it later and earlier both hold; it rings once."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        rung = []
        deadline = Deadline(loop, lambda: rung.append(loop.time()))
        start = loop.time()
        deadline.set(0.02)
        deadline.set(0.12)
        await until_async(lambda: rung)
        await asyncio.sleep(0.12)
        assert len(rung) == 1
        assert rung[0] - start >= 0.118

        deadline.set(30)
        deadline.set(0.01)
        await until_async(lambda: len(rung) == 2)

    run(main())


def test_cleared_or_closed_it_never_expires(run):
    """Clearing keeps the timer for later use, closing gives it back."""

    async def main() -> None:
        rung = []
        cleared = Deadline(asyncio.get_running_loop(), lambda: rung.append("cleared"))
        closed = Deadline(asyncio.get_running_loop(), lambda: rung.append("closed"))
        cleared.set(0.01)
        cleared.clear()
        closed.set(0.01)
        closed.close()
        await asyncio.sleep(0.03)
        assert rung == []

        cleared.set(0.01)
        await until_async(lambda: rung == ["cleared"])

    run(main())
