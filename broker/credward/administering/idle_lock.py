"""Locks the store when nobody has asked for a long time.

`store_service` locks it; `gate` refuses requests while it is locked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from credward.clock import Clock
from credward.errors import BrokerError

__all__ = ["IdleLock"]

_log = logging.getLogger(__name__)

# A timer stops while the machine sleeps, so we read the clock this often (seconds).
_LOOK = 30.0


class IdleLock:
    """*after* returns how many seconds may pass without a request, None: no limit."""

    def __init__(
        self,
        *,
        clock: Clock,
        after: Callable[[], float | None],
        locked: Callable[[], bool],
        lock: Callable[[], Awaitable[None]],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._clock = clock
        self._after = after
        self._locked = locked
        self._lock = lock
        self._spawn = spawn
        self._last = clock.elapsed()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def overdue(self) -> bool:
        """Whether it is time to lock: from then on nothing is answered."""
        after = self._after()
        return after is not None and self._clock.elapsed() - self._last >= after

    def touch(self) -> None:
        """Note that somebody asked, or unlocked."""
        if self._after() is not None:
            self._last = self._clock.elapsed()
            if self._timer is None:
                self._look()

    def close(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        after = self._after()
        if after is None or self._locked():
            return
        left = self._last + after - self._clock.elapsed()
        if left <= 0:
            self._spawn(self._lock_up())
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(left, _LOOK), self._look)

    async def _lock_up(self) -> None:
        try:
            await self._lock()
        except BrokerError as failure:
            _log.error("locking the idle store failed: %s", failure.message)
        else:
            _log.info("locked: no request for %g s", self._after() or 0.0)
