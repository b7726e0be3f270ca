"""Which harness the environment of a process names; a separate program reads it: `mark_probe`."""

from __future__ import annotations

import sys

from credward.callers import mark_probe
from credward.callers.looking import Looker
from credward.callers.programs import MARKS, UNKNOWN_HARNESS

__all__ = ["MarkReader"]


class MarkReader:
    """Has *looker* look."""

    def __init__(self, looker: Looker) -> None:
        self._looker = looker
        self._names = sorted(MARKS)

    async def read(self, pid: int) -> str | None:
        """Return the harness whose mark is in the environment that *pid* started with, or None.

        `unknown` means: a harness cannot be ruled out, because nothing was read in time.
        """
        ended = await self._looker.run(
            sys.executable, "-I", "-S", mark_probe.__file__, str(pid), *self._names
        )
        return UNKNOWN_HARNESS if ended is None else self._meant(ended.code)

    def _meant(self, code: int) -> str | None:
        if code == mark_probe.NONE:
            return None
        index = code - mark_probe.FIRST
        return MARKS[self._names[index]] if 0 <= index < len(self._names) else UNKNOWN_HARNESS
