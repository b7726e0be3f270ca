"""Wake-ups that a test rings by hand."""

from __future__ import annotations

import math
from collections.abc import Callable


class FakeWakeups:
    """Stands where `credward.daemon.wakeups` does."""

    def __init__(self) -> None:
        self.settings: list[float] = []
        self.closed = False
        self._wake: Callable[[], None] | None = None

    def watch(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def set(self, seconds: float) -> None:
        self.settings.append(seconds)

    def close(self) -> None:
        self.closed = True

    @property
    def due_in(self) -> float:
        """What was set last."""
        return self.settings[-1] if self.settings else math.inf

    def ring(self) -> None:
        """Call back, as a deadline or a step of the clock does."""
        assert self._wake is not None
        self._wake()
