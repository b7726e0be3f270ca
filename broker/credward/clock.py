"""The only reader of time: wall clock for expiry, boot-time clock for waiting.

All other code gets `now` as an argument; `lifecycle` and `issuing` handle changes of the wall
clock.
"""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]

# CLOCK_BOOTTIME counts suspended time, CLOCK_MONOTONIC does not on Linux; on macOS the monotonic
# clock is the nearest.
_ELAPSED_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Where `now` comes from."""

    def now(self) -> float:
        """Return the wall clock in Unix seconds."""
        ...

    def elapsed(self) -> float:
        """Return seconds since some fixed instant, suspended time included, never stepped."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        """Return the wall clock in Unix seconds."""
        return time.time()  # noqa: TID251 - the one place

    def elapsed(self) -> float:
        """Return seconds since boot, with suspended time if the system can tell."""
        return time.clock_gettime(_ELAPSED_CLOCK)
