"""A clock that a test turns by hand."""

from __future__ import annotations


class FakeClock:
    """Stands where `credward.clock.SystemClock` does."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.time = now
        self._elapsed = 0.0

    def now(self) -> float:
        return self.time

    def elapsed(self) -> float:
        return self._elapsed

    def advance(self, seconds: float) -> None:
        self.time += seconds
        self._elapsed += seconds
