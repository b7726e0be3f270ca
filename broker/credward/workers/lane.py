"""The workers of one provider: which are idle, which are busy, and how one runs a mint.

`slots` limits how many are busy, `pool` how long a mint may take; `worker` is one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from credward.errors import BrokerError, Failure, Kind
from credward.workers.environment import rules_of
from credward.workers.link import MintedToken, MintRequest
from credward.workers.slots import Slots
from credward.workers.worker import JournalFile, Worker

__all__ = ["JournalMaker", "Lane", "Rotating", "TimeAllowed"]

_log = logging.getLogger(__name__)


class JournalMaker(Protocol):
    """Where journals come from."""

    def create(self) -> JournalFile:
        """Return a new one, or raise `OSError`."""
        ...


class Rotating(Protocol):
    """What the keeper of a grant does around a mint that may replace it."""

    def lend(self, journal: JournalFile) -> None:
        """Write the lease into the worker's journal; raise `OSError` if that fails."""
        ...

    async def settle(self, outcome: MintedToken | Failure, journal: JournalFile) -> bool:
        """Take the outcome when the worker can no longer write, because it is idle or dead.

        Return whether the journal is no longer needed and the worker may get another mint.
        """
        ...


class TimeAllowed:
    """The *seconds* of a mint, and how far it got; *timeout* counts them."""

    def __init__(self, seconds: float, timeout: asyncio.Timeout) -> None:
        self._seconds = seconds
        self._timeout = timeout
        self._stage = "queue"

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self._timeout.expired()

    def starts(self) -> None:
        """It has a place and needs a worker."""
        self._stage = "start"

    def is_minted(self) -> None:
        """A worker has it now."""
        self._stage = "mint"

    def begin_again(self) -> None:
        """Count from now: an exchange gets the full time."""
        self._timeout.reschedule(asyncio.get_running_loop().time() + self._seconds)

    def stop(self) -> None:
        """Stop counting: an outcome is there, and settling it must not be cut short."""
        self._timeout.reschedule(None)

    def exceeded(self, credential: str, provider: str) -> Failure:
        """Return the failure for the callers that waited."""
        match self._stage:
            case "queue":
                what = f"all workers for provider {provider} were busy"
            case "start":
                what = f"no worker for provider {provider} started"
            case _:
                what = f"provider {provider} did not answer and was killed"
        return Failure.of(
            Kind.TIMED_OUT,
            f'"{credential}" got no token within {self._seconds:g} s, {what}; retrying by itself',
            sent="maybe" if self._stage == "mint" else "no",
        )


class Lane:
    """The workers of *provider*; *greet* starts one, or raises `BrokerError`.

    Each mint holds one of the *slots* and has its own worker. *idle_after*: seconds until an idle
    one leaves. *on_left* is called when one has ended; for *on_used_up* see `WorkerPool`.
    """

    def __init__(
        self,
        provider: str,
        *,
        slots: Slots,
        greet: Callable[[Worker], Awaitable[None]],
        idle_after: float,
        journals: JournalMaker | None,
        on_used_up: Callable[[Mapping[str, float]], None] | None,
        on_left: Callable[[], None],
    ) -> None:
        self.slots = slots
        self._provider = provider
        self._greet = greet
        self._idle_after = idle_after
        self._journals = journals
        self._on_used_up = on_used_up
        self._on_left = on_left
        self._idle: list[Worker] = []
        self._all: list[Worker] = []
        self._rotating: set[Worker] = set()
        self._closing = False

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The live ones."""
        return tuple(self._all)

    @property
    def exchanges(self) -> bool:
        """Whether a worker holds a rotating grant."""
        return bool(self._rotating)

    def is_busy(self, worker: Worker) -> bool:
        """Whether it is busy."""
        return worker not in self._idle

    def send_home(self) -> None:
        """End the workers, each after its current task."""
        for worker in self._all:
            worker.leaving = True
        for worker in list(self._idle):
            worker.retire()

    def begin_nothing(self) -> None:
        """Start no more workers."""
        self._closing = True

    def let_go(self) -> list[Worker]:
        """Return the workers to kill; those with a rotating grant finish into their journals."""
        going_on = [worker for worker in self._all if worker in self._rotating]
        for worker in going_on:
            worker.abandon()
        return [worker for worker in self._all if worker not in going_on]

    async def mint(
        self, mint_request: MintRequest, allowed: TimeAllowed, rotating: Rotating | None
    ) -> MintedToken:
        """Mint one token; if cancelled, the worker is killed, or goes on with its exchange."""
        while True:
            allowed.starts()
            worker, fresh = await self._take(
                mint_request.credential, journaled=rotating is not None
            )
            allowed.is_minted()
            try:
                if rotating is None:
                    minted = await self._borrow(worker, mint_request)
                else:
                    minted = await self._rotate(worker, mint_request, allowed, rotating)
            except BrokerError as error:
                unsent = error.failure.sent == "no"
                if not worker.alive and not fresh and unsent and not self._closing:
                    # It died while idle, before it was asked: the caller does not notice.
                    continue
                raise
            return minted

    async def _borrow(self, worker: Worker, mint_request: MintRequest) -> MintedToken:
        try:
            minted = await worker.mint(mint_request)
        except BrokerError:
            self._give_back(worker)
            raise
        except BaseException:
            # The deadline or the daemon's end: only a killed process is a cancelled mint.
            _log.warning("worker %d for %s is killed", worker.pid, worker.provider)
            worker.kill()
            raise
        self._give_back(worker)
        return minted

    async def _rotate(
        self,
        worker: Worker,
        mint_request: MintRequest,
        allowed: TimeAllowed,
        rotating: Rotating,
    ) -> MintedToken:
        """Mint on a grant that may be replaced; settled before anybody else gets the worker."""
        journal = worker.journal
        assert journal is not None, "a worker without a journal was taken"
        outcome: MintedToken | Failure
        self._rotating.add(worker)
        allowed.begin_again()
        try:
            rotating.lend(journal)
            outcome = await worker.mint(mint_request)
        except BrokerError as error:
            outcome = error.failure
        except OSError as error:
            outcome = _unwritable(mint_request.credential, error)
        except BaseException:
            if self._closing or not allowed.is_over:
                # Nobody but the daemon's end cancels a mint: the exchange goes on without us.
                worker.abandon()
                journal.close()
                raise
            # The exchange took longer than any exchange may.
            worker.kill()
            hung = Failure.of(Kind.TIMED_OUT, "the exchange was killed", sent="maybe")
            await self._settle(worker, rotating, hung, journal)
            raise
        if self._closing and isinstance(outcome, Failure) and not worker.alive:
            # We closed the link: the outcome will be in the journal; from now on only the worker
            # holds its lock.
            journal.close()
            raise outcome.error()
        allowed.stop()
        await self._settle(worker, rotating, outcome, journal)
        if isinstance(outcome, Failure):
            raise outcome.error()
        return outcome

    async def _settle(
        self,
        worker: Worker,
        rotating: Rotating,
        outcome: MintedToken | Failure,
        journal: JournalFile,
    ) -> None:
        reusable = False
        try:
            if not worker.alive:
                # Until it is dead it may still write the new grant.
                await worker.reaped.wait()
            reusable = await rotating.settle(outcome, journal)
        finally:
            self._rotating.discard(worker)
            if reusable and worker.alive:
                self._give_back(worker)
            elif reusable:
                journal.remove()
            else:
                # The journal holds the only copy of a grant: the keeper removes it later.
                worker.journal = None
                worker.retire()

    async def _take(self, credential: str, *, journaled: bool) -> tuple[Worker, bool]:
        fit = [each for each in self._idle if each.journal is not None or not journaled]
        if fit:
            worker = fit[-1]
            self._idle.remove(worker)
            if worker.idle_timer is not None:
                worker.idle_timer.cancel()
            return worker, False
        return await self._start(credential, journaled=journaled), True

    async def _start(self, credential: str, *, journaled: bool) -> Worker:
        journal = None
        # A provider that is not in the table may rotate too: its first such mint shows it.
        if (journaled or rules_of(self._provider).rotates) and self._journals is not None:
            try:
                # In a thread: it waits for the disk.
                journal = await asyncio.to_thread(self._journals.create)
            except OSError as error:
                raise _unwritable(credential, error).error() from error
        elif journaled:
            raise BrokerError(Kind.INTERNAL, f"provider {self._provider} has no rotation journals")
        if self._closing:
            if journal is not None:
                journal.remove()
            raise _ending(credential)
        worker = Worker(
            self._provider,
            on_end=self._forget,
            journal=journal,
            on_used_up=self._on_used_up,
        )
        self._all.append(worker)
        await self._greet(worker)
        return worker

    def _give_back(self, worker: Worker) -> None:
        if not worker.alive:
            return
        self._idle.append(worker)
        if worker.leaving:
            worker.retire()
            return
        loop = asyncio.get_running_loop()
        worker.idle_timer = loop.call_later(self._idle_after, worker.retire)

    def _forget(self, worker: Worker) -> None:
        for workers in (self._all, self._idle):
            with contextlib.suppress(ValueError):
                workers.remove(worker)
        if worker.journal is not None and worker not in self._rotating:
            # It died idle: the journal is empty.
            worker.journal.remove()
        self._on_left()


def _ending(credential: str) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_UNREACHABLE, f'"{credential}" is not renewed, the daemon is ending: ask again'
    )


def _unwritable(credential: str, error: OSError) -> Failure:
    return Failure.of(
        Kind.INTERNAL,
        f'"{credential}" is not renewed, its rotation journal cannot be written '
        f"({error.strerror}): make room in the state directory; retrying by itself",
    )
