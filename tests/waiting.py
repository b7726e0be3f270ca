"""How tests wait: for the thing itself, not for a time in which it should have happened.

The deadlines are no claim about speed. They only end a test whose event never comes, so they hold
on a machine many times slower than the one at which a test was written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["PATIENCE", "until", "until_async"]

_Seen = TypeVar("_Seen")

# Seconds after which nobody believes any more that it will happen.
PATIENCE = 60.0
_PACE = 0.01


def until(condition: Callable[[], _Seen], seconds: float = PATIENCE) -> _Seen:
    """Ask again and again until the answer is true, and return it; fail after *seconds*."""
    deadline = time.monotonic() + seconds
    while True:
        # Asked after the last pause too: a process that was stopped meanwhile has missed nothing.
        late = time.monotonic() > deadline
        if seen := condition():
            return seen
        assert not late, f"did not happen within {seconds:.0f} s; last seen: {seen!r}"
        time.sleep(_PACE)


async def until_async(condition: Callable[[], _Seen], seconds: float = PATIENCE) -> _Seen:
    """Do as `until`, and let the event loop go on between two questions."""
    deadline = time.monotonic() + seconds
    while True:
        late = time.monotonic() > deadline
        if seen := condition():
            return seen
        assert not late, f"did not happen within {seconds:.0f} s; last seen: {seen!r}"
        await asyncio.sleep(_PACE)
