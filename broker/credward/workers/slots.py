"""How many mints of one provider are out at once, so that those that hang do not keep out the rest.

Counts and waits; processes and deadlines are `pool`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec

__all__ = ["Slots"]

# A mint that has taken longer is waiting for somebody who may never answer (seconds).
_PATIENCE = 2.0


class Slots:
    """*size* places for mints that get on, and *spare* ones for those that do not.

    A mint that overstays moves to a spare place as soon as there is one. From then on its
    credential begins in a spare place, until a mint of it ends in time.
    """

    def __init__(self, *, size: int, spare: int, patience: float = _PATIENCE) -> None:
        self._usual = asyncio.Semaphore(size)
        self._spare = asyncio.Semaphore(spare)
        self._has_spare = spare > 0
        self._patience = patience
        self._slow: set[str] = set()

    @contextlib.asynccontextmanager
    async def hold(self, credential: str) -> AsyncIterator[None]:
        """Wait for a place and hold it for a mint of this credential."""
        stay = _Stay(self._spare if credential in self._slow else self._usual)
        await stay.place.acquire()
        watch = asyncio.create_task(self._watch(credential, stay))
        try:
            yield
        finally:
            watch.cancel()
            if not stay.long:
                self._slow.discard(credential)
            stay.place.release()

    async def _watch(self, credential: str, stay: _Stay) -> None:
        await asyncio.sleep(self._patience)
        stay.long = True
        if not self._has_spare:
            return
        self._slow.add(credential)
        if stay.place is self._usual:
            await self._spare.acquire()
            stay.place = self._spare
            self._usual.release()


class _Stay(msgspec.Struct):
    place: asyncio.Semaphore
    long: bool = False
