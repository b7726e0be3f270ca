"""How often a caller may have a server asked that is not ours: some at once, then one by one.

A caller is a user, or all agents of that user together: programs choose the names of agents.
"""

from __future__ import annotations

import math

from credward.callers.caller import Caller
from credward.clock import Clock
from credward.errors import BrokerError, Kind
from credward.issuing.pace import Pace

__all__ = ["CallerPace"]

# How many at once, and how often after that (seconds).
_BURST, _EACH = 10, 6.0


class CallerPace:
    """Counts the questions of each caller to *whom*, a word in the plural."""

    def __init__(self, *, clock: Clock, whom: str) -> None:
        self._clock = clock
        self._whom = whom
        self._pace = Pace(burst=_BURST, interval=_EACH)

    def take(self, caller: Caller) -> None:
        """Count a question of *caller*; raise `rate-limited` if it is one too many."""
        key = (caller.uid, caller.harness is not None)
        if wait := self._pace.take(key, self._clock.elapsed()):
            raise BrokerError(
                Kind.RATE_LIMITED,
                f"you asked {self._whom} too often: ask again in {math.ceil(wait)} s",
                retry_after=wait,
            )
