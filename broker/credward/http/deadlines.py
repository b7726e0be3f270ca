"""One deadline that moves often and expires rarely, with hardly any timers.

The owner decides when it is due and what happens then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Deadline"]


def _nothing() -> None:
    pass


class Deadline:
    """Calls *expired* once at the instant that was set last, unless cleared before."""

    __slots__ = ("_alarm", "_alarm_at", "_at", "_expired", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._at: float | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0

    @property
    def is_set(self) -> bool:
        """Whether it is set."""
        return self._at is not None

    def set(self, seconds: float) -> None:
        """Expire in *seconds* from now; replaces what was set before."""
        at = self._loop.time() + seconds
        self._at = at
        if self._alarm is not None:
            # A timer that fires too early sees that it is not time yet. So moving a deadline
            # further away, which every request does, costs one assignment.
            if self._alarm_at <= at:
                return
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = self._loop.call_later(seconds, self._ring)

    def clear(self) -> None:
        """Do not expire until set again."""
        self._at = None

    def close(self) -> None:
        """Release the timer."""
        self._at = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        # Its owner is gone; without this the cycle collector would have to free the two.
        self._expired = _nothing

    def _ring(self) -> None:
        self._alarm = None
        if self._at is None:
            return
        remaining = self._at - self._loop.time()
        if remaining > 0.001:
            self.set(remaining)
            return
        self._at = None
        self._expired()
