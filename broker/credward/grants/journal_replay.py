"""What an earlier daemon left behind: journals of dead workers, and workers that still finish.

Finds and waits; what a journal means for its grant is `keeper`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from credward.errors import BrokerError, Kind
from credward.grants.keeper import GrantKeeper
from credward.store.journal import Journal

__all__ = ["JournalReplay"]

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


class _Survivor(msgspec.Struct):
    path: Path
    journal: Journal
    ended: asyncio.Event = msgspec.field(default_factory=asyncio.Event)


class JournalReplay:
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
        self._turn = asyncio.Lock()
        self._begun = False
        self._survivors: list[_Survivor] = []
        self._watched = False
        self._unreadable: list[Path] = []

    async def begin(self) -> None:
        """Replay the journals that nobody holds, and the others as their workers end.

        To be called when the store opens; later calls do nothing.
        """
        async with self._turn:
            if self._begun:
                return
            for problem in await self._take_over(self._journals.leftovers()):
                _log.error("%s", problem)
            self._begun = True
        if self._survivors:
            _log.warning("%d workers of an earlier daemon still finish", len(self._survivors))

    async def _take_over(self, paths: Iterable[Path]) -> list[str]:
        """Replay what nobody writes any more; keep what cannot be read, and return what to say."""
        dead: list[Journal] = []
        problems = []
        self._unreadable = []
        for path in paths:
            try:
                dead += self._look_at(path)
            except OSError as error:
                self._unreadable.append(path)
                problems.append(_unread(path, error))
        if self._survivors and not self._watched:
            self._watched = True
            self._spawn(self._watch())
        await self._keeper.replay(dead)
        return problems

    def _look_at(self, path: Path) -> list[Journal]:
        """Return the journal if nobody writes it any more; raise `OSError` if it cannot be read."""
        if (journal := self._journals.open(path)) is None:
            return []
        try:
            journal.read()
            unused = journal.lock()
        except OSError:
            journal.close()
            raise
        if unused:
            return [journal]
        self._survivors.append(_Survivor(path, journal))
        return []

    async def _watch(self) -> None:
        wait = _FIRST
        while self._survivors:
            ended = [each for each in self._survivors if _has_ended(each.journal)]
            dead = []
            for survivor in ended:
                try:
                    survivor.journal.read()
                    dead.append(survivor.journal)
                except OSError as error:
                    # It may hold a successor: until it can be read, nothing is lent.
                    survivor.journal.close()
                    self._unreadable.append(survivor.path)
                    _log.error("%s", _unread(survivor.path, error))
            self._survivors = [each for each in self._survivors if each not in ended]
            if ended:
                await self._keeper.replay(dead)
                for survivor in ended:
                    survivor.ended.set()
            else:
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LAST)
        self._watched = False

    async def wait_for(self, grant: str) -> None:
        """Return when no worker of an earlier daemon can be using *grant* any more.

        To be called right before each loan, for the store may have been opened just now; raise
        `store-locked`. A journal without a lease belongs to a worker that had nothing to do. One
        that cannot be read may hold the successor of any grant: raise `internal` until it can, or
        is gone.
        """
        self._keeper.check_open()
        await self.begin()
        while True:
            if self._unreadable and (problems := await self._take_over(self._unreadable)):
                raise _not_renewed(grant, problems[0])
            using = next((each for each in self._survivors if _uses(each, grant)), None)
            if using is None:
                return
            # Its journal may turn out to be unreadable.
            await using.ended.wait()


def _uses(survivor: _Survivor, grant: str) -> bool:
    try:
        lease = survivor.journal.read().lease
    except OSError as error:
        raise _not_renewed(grant, _unread(survivor.path, error)) from error
    return lease is not None and lease.grant == grant


def _has_ended(journal: Journal) -> bool:
    """Whether the worker behind *journal* can write no more; False where nobody can tell."""
    try:
        return journal.lock()
    except OSError:
        return False


def _not_renewed(grant: str, problem: str) -> BrokerError:
    return BrokerError(Kind.INTERNAL, f'"{grant}" is not renewed, {problem}')


def _unread(path: Path, error: OSError) -> str:
    # What is no matter of rights is one of the disk, and there is no command for that.
    rights = isinstance(error, PermissionError)
    remedy = f"run chmod 0600 {path}" if rights else "look at the disk that it lies on"
    return (
        f"rotation journal {path} of an earlier daemon cannot be read ({error.strerror}): {remedy}"
    )
