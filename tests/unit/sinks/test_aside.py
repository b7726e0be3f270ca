"""Work in a thread of its own: its end comes back to the loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from credward.sinks.aside import aside


async def test_what_it_returns_and_raises_comes_back() -> None:
    def fail() -> None:
        raise OSError("disk")

    assert await aside(lambda: 5) == 5
    with pytest.raises(OSError, match="disk"):
        await aside(fail)


async def test_one_that_hangs_holds_nobody_up() -> None:
    """Not even a caller that stops waiting; its late end is nothing."""
    go = threading.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await aside(go.wait)
    assert await aside(lambda: 1) == 1
    go.set()
    await asyncio.sleep(0.05)
