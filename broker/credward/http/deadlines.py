"""One deadline that is moved often and met rarely, at the price of hardly any timers.

When it is due and what happens then is its owner's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Deadline"]


def _nothing() -> None:
    pass


class Deadline:
    """Calls *expired* once when the instant set last has come, unless it was cleared before."""

    __slots__ = ("_alarm", "_alarm_at", "_at", "_expired", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._at: float | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0

    @property
    def is_set(self) -> bool:
        """Whether it will expire."""
        return self._at is not None

    def set(self, seconds: float) -> None:
        """Expire in *seconds* from now, whatever was set before."""
        at = self._loop.time() + seconds
        self._at = at
        if self._alarm is not None:
            # A timer that rings too early sees that it is not time yet: moving a deadline further
            # away, which every request does, costs one assignment.
            if self._alarm_at <= at:
                return
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = self._loop.call_later(seconds, self._ring)

    def clear(self) -> None:
        """Expire no more until set again."""
        self._at = None

    def close(self) -> None:
        """Give the timer back."""
        self._at = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        # Its owner is gone; without this the two would wait for the cycle collector.
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
