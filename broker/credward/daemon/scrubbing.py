"""Overwrites freed memory, a moment after secrets were dropped: see `credward.memory`.

In small steps between answers, and once for all drops in the same moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from credward.memory import overwrite_free_blocks

__all__ = ["Scrubber"]

# The caller gets its answer first and releases its references (seconds).
_SOON = 0.1
# At most this often, no matter how many tokens come and go (seconds).
_PAUSE = 2.0


class Scrubber:
    """*steps* returns the work in small pieces."""

    def __init__(self, steps: Callable[[], Iterator[None]] = overwrite_free_blocks) -> None:
        self._steps = steps
        self._timer: asyncio.Handle | None = None
        self._again = False
        self._closed = False

    def soon(self) -> None:
        """Overwrite free memory in a moment."""
        if self._closed:
            return
        if self._timer is not None:
            self._again = True
            return
        self._timer = asyncio.get_running_loop().call_later(_SOON, self._begin)

    def close(self) -> None:
        """Stop."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self) -> None:
        self._again = False
        self._step(self._steps())

    def _step(self, steps: Iterator[None]) -> None:
        loop = asyncio.get_running_loop()
        if next(steps, self) is None:
            self._timer = loop.call_soon(self._step, steps)
        else:
            self._timer = loop.call_later(_PAUSE, self._rested)

    def _rested(self) -> None:
        self._timer = None
        if self._again:
            self._begin()
