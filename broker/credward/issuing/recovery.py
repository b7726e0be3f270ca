"""What an earlier daemon left behind: journals of dead workers, and workers that still finish.

Finds and waits; what a journal means for its grant is `keeper`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from credward.errors import BrokerError, Kind
from credward.issuing.keeper import GrantKeeper
from credward.store.journal import Journal

__all__ = ["Recovery"]

_log = logging.getLogger(__name__)

# A worker in an exchange ends within its own 90 s; it is looked at this often (seconds).
_FIRST, _LAST = 0.02, 0.5


class Journals(Protocol):
    """Where the journals of the store lie."""

    def leftovers(self) -> Iterable[Path]:
        """Return those that were there at start."""
        ...

    def open(self, path: Path) -> Journal | None:
        """Return one, None if it is gone meanwhile; raise `OSError`."""
        ...


@dataclass(slots=True)
class _Survivor:
    journal: Journal
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Recovery:
    """The journals of earlier daemons, until the last one is dealt with."""

    def __init__(
        self,
        *,
        keeper: GrantKeeper,
        journals: Journals,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._keeper = keeper
        self._journals = journals
        self._spawn = spawn
        self._beginning = asyncio.Lock()
        self._begun = False
        self._survivors: list[_Survivor] = []
        self._unreadable: list[Path] = []

    async def begin(self) -> None:
        """Replay the journals that nobody holds, and the others as their workers end.

        To be called when the store opens; later calls do nothing.
        """
        async with self._beginning:
            if self._begun:
                return
            dead = []
            for path in self._journals.leftovers():
                try:
                    dead += self._look_at(path)
                except OSError as error:
                    self._unreadable.append(path)
                    _log.error("%s", _unread(path, error))
            await self._keeper.replay(dead)
            self._begun = True
        if self._survivors:
            _log.warning("%d workers of an earlier daemon still finish", len(self._survivors))
            self._spawn(self._watch())

    def _look_at(self, path: Path) -> list[Journal]:
        """Return the journal if nobody writes it any more; raise `OSError` if it cannot be read."""
        if (journal := self._journals.open(path)) is None:
            return []
        try:
            journal.read()
        except OSError:
            journal.close()
            raise
        if journal.lock():
            return [journal]
        self._survivors.append(_Survivor(journal))
        return []

    async def _watch(self) -> None:
        wait = _FIRST
        while self._survivors:
            dead = [each for each in self._survivors if each.journal.lock()]
            self._survivors = [each for each in self._survivors if each not in dead]
            if dead:
                await self._keeper.replay([each.journal for each in dead])
                for survivor in dead:
                    survivor.ended.set()
            else:
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LAST)

    async def wait_for(self, grant: str) -> None:
        """Return when no worker of an earlier daemon can be using *grant* any more.

        To be called right before each loan, for the store may have been opened just now; raise
        `store-locked`. A journal without a lease belongs to a worker that had nothing to do. One
        that cannot be read may hold the successor of any grant: raise `internal` until it can, or
        is gone.
        """
        self._keeper.check_open()
        await self.begin()
        for path in list(self._unreadable):
            try:
                dead = self._look_at(path)
            except OSError as error:
                raise BrokerError(
                    Kind.INTERNAL, f'"{grant}" is not renewed, {_unread(path, error)}'
                ) from error
            self._unreadable.remove(path)
            await self._keeper.replay(dead)
        for survivor in list(self._survivors):
            lease = survivor.journal.read().lease
            if lease is not None and lease.grant == grant:
                await survivor.ended.wait()


def _unread(path: Path, error: OSError) -> str:
    return (
        f"rotation journal {path} of an earlier daemon cannot be read ({error.strerror}): "
        f"run chmod 0600 {path}"
    )
