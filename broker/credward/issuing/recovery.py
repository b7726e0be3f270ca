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
        """Return those that are there at start."""
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
        self._begun = False
        self._survivors: list[_Survivor] = []
        self._unreadable: list[Path] = []

    async def begin(self) -> None:
        """Replay the journals that nobody holds, and the others as their workers end.

        To be called before anything is minted; later calls do nothing, for the journals that are
        there then are our own.
        """
        if self._begun:
            return
        self._begun = True
        for path in self._journals.leftovers():
            try:
                await self._take_over(path)
            except OSError as error:
                self._unreadable.append(path)
                _log.error("%s", _unread(path, error))
        if self._survivors:
            _log.warning("%d workers of an earlier daemon still finish", len(self._survivors))
            self._spawn(self._watch())

    async def _take_over(self, path: Path) -> None:
        journal = self._journals.open(path)
        if journal is None:
            return
        if journal.lock():
            await self._keeper.replay(journal)
        else:
            self._survivors.append(_Survivor(journal))

    async def _watch(self) -> None:
        for survivor in list(self._survivors):
            wait = _FIRST
            while not survivor.journal.lock():
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LAST)
            await self._keeper.replay(survivor.journal)
            self._survivors.remove(survivor)
            survivor.ended.set()

    async def wait_for(self, grant: str) -> None:
        """Return when no worker of an earlier daemon can be using *grant* any more.

        A journal without a lease belongs to a worker that had nothing to do. One that cannot be
        read may hold the successor of any grant: raise `internal` until it can, or is gone.
        """
        for path in list(self._unreadable):
            try:
                journal = self._journals.open(path)
            except OSError as error:
                raise BrokerError(
                    Kind.INTERNAL, f'"{grant}" is not renewed, {_unread(path, error)}'
                ) from error
            self._unreadable.remove(path)
            if journal is not None:
                await self._keeper.replay(journal)
        for survivor in list(self._survivors):
            lease = survivor.journal.read().lease
            if not survivor.ended.is_set() and lease is not None and lease.grant == grant:
                await survivor.ended.wait()


def _unread(path: Path, error: OSError) -> str:
    return (
        f"rotation journal {path} of an earlier daemon cannot be read ({error.strerror}): "
        f"run chmod 0600 {path}"
    )
