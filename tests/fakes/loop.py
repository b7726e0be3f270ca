"""An event loop on which time passes when there is nothing else to do, and not at all otherwise.

What is to happen after 50 ms and after 100 ms happens in this order, however long the machine stood
still, and at once. For code that waits by timers alone: nothing outside the process gets any time.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["on_idle_time"]


class _Selector(selectors.DefaultSelector):
    """Passes the time instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if not (ready := super().select(0)):
            self.now += timeout
        return ready


class _IdleTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._passing = _Selector()
        super().__init__(self._passing)

    def time(self) -> float:
        """Seconds that were slept on this loop."""
        return self._passing.now


def on_idle_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an asynchronous test on such a loop."""

    @functools.wraps(test)
    def run(*args: Any, **words: Any) -> None:
        with asyncio.Runner(loop_factory=_IdleTimeLoop) as runner:
            runner.run(test(*args, **words))

    return run
