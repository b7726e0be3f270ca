"""The daemon's side of the workers: starts them on demand, hands out mints, kills at the deadline.

Decides who waits and who is killed; one process is `worker`, what a mint does is the worker's
business, when to mint is the lifecycle's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from credward.clock import Clock
from credward.config.places import environment
from credward.errors import BrokerError, Kind
from credward.workers.environment import rules_of
from credward.workers.link import (
    GrantGiven,
    LoginAnswer,
    LoginEvent,
    LoginRequest,
    MintedToken,
    MintRequest,
    RevokeRequest,
)
from credward.workers.places import Places
from credward.workers.token_bytes import wipe
from credward.workers.worker import JournalFile, Worker

__all__ = ["Login", "Rotating", "WorkerPool", "WorkerView"]

_log = logging.getLogger(__name__)

# A human who has not logged in by then went to lunch (seconds).
_LOGIN = 900.0
# How often a daemon that is about to end looks for exchanges (seconds).
_LOOK = 0.05
# At the end of the daemon nobody waits longer than this for the dead (seconds).
_CLOSE = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """What `status` and the metrics show of a live worker."""

    pid: int
    provider: str
    busy: bool
    mints: int


class JournalMaker(Protocol):
    """Where journals come from."""

    def create(self) -> JournalFile:
        """Return a new one, or raise `OSError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotating:
    """What whoever keeps the grant does around a mint that may replace it.

    *lend* writes the lease into the worker's journal (`OSError` where it cannot). *settle* takes
    the outcome when the worker can write no more into it, being idle or dead, and returns whether
    the journal is of no more use and the worker may have another mint.
    """

    lend: Callable[[JournalFile], None]
    settle: Callable[[MintedToken | BrokerError, JournalFile], Awaitable[bool]]


class Login:
    """A login that is under way; *answer* hands on what the user typed."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def answer(self, answer: LoginAnswer) -> None:
        """Hand on what the user typed."""
        self._worker.tell(answer)


@dataclass(slots=True)
class _Lane:
    """The workers of one provider. Whoever holds a place has a worker of its own."""

    places: Places
    idle: list[Worker] = field(default_factory=list)
    all: list[Worker] = field(default_factory=list)
    rotating: set[Worker] = field(default_factory=set)


class WorkerPool:
    """At most *size* workers per provider (None: what `environment` says of the provider).

    Some more while mints hang, see `places`. *environ* is the daemon's own environment, of which a
    worker is handed very little. *on_used_up* is told, before the mint that it comes of ends, which
    one-time proofs count no more; *on_left*, that a worker has ended, whose buffers are free then.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        log: logging.Logger = _log,
        size: int | None = None,
        idle_after: float = 90.0,
        executable: str = sys.executable,
        hello_timeout: float = 15.0,
        environ: Mapping[str, str] | None = None,
        journals: JournalMaker | None = None,
        on_used_up: Callable[[Mapping[str, float]], None] | None = None,
        on_left: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._log = log
        self._size = size
        self._idle_after = idle_after
        self._executable = executable
        self._hello_timeout = hello_timeout
        self._environ = environment() if environ is None else environ
        self._journals = journals
        self._on_used_up = on_used_up
        self._on_left = on_left
        self._lanes: dict[str, _Lane] = {}
        self._logins: set[Worker] = set()
        self._closing = False

    async def mint(
        self,
        provider: str,
        mint_request: MintRequest,
        *,
        deadline: float,
        rotating: Rotating | None = None,
    ) -> MintedToken:
        """Have one token minted within *deadline* seconds; raise `BrokerError` where that fails.

        *rotating*: the mint may replace its grant; it then goes on when the daemon ends, and has
        its deadline to itself, whatever it waited for a worker.
        """
        lane = self._lane(provider)
        progress = _Progress()
        try:
            place = lane.places.hold(mint_request.credential)
            async with asyncio.timeout(deadline) as patience, place:
                if rotating is None:
                    work = self._mint(provider, lane, mint_request, progress)
                else:
                    exchange = _Exchange(rotating, patience, deadline)
                    work = self._mint(provider, lane, mint_request, progress, exchange)
                minted = await work
        except TimeoutError as error:
            raise progress.timed_out(mint_request.credential, provider, deadline) from error
        return self._checked(minted, mint_request.credential)

    async def login(
        self,
        provider: str,
        request: LoginRequest,
        on_event: Callable[[LoginEvent], None],
        on_start: Callable[[Login], None],
    ) -> GrantGiven:
        """Have a user brought through a login, by a worker of its own that ends with it."""
        worker = Worker(provider, on_end=self._forget_login)
        self._logins.add(worker)
        try:
            async with asyncio.timeout(_LOGIN):
                await self._greet(worker)
                on_start(Login(worker))
                return await worker.login(request, on_event)
        except TimeoutError as error:
            raise BrokerError(
                Kind.TIMED_OUT,
                f'"{request.credential}" was not logged in within {_LOGIN / 60:.0f} minutes: '
                f"run credward login {request.credential}",
            ) from error
        finally:
            worker.kill()

    async def revoke(self, provider: str, request: RevokeRequest, *, deadline: float) -> None:
        """Have a grant revoked upstream; raise `BrokerError` where that fails."""
        worker = Worker(provider, on_end=self._forget_login)
        self._logins.add(worker)
        try:
            async with asyncio.timeout(deadline):
                await self._greet(worker)
                await worker.revoke(request)
        except TimeoutError as error:
            raise BrokerError(
                Kind.TIMED_OUT,
                f'"{request.credential}" was not revoked within {deadline:g} s, '
                f"provider {provider} did not answer",
                sent="maybe",
            ) from error
        finally:
            worker.kill()

    def snapshot(self) -> list[WorkerView]:
        """Return the live workers."""
        return [
            WorkerView(
                pid=worker.pid, provider=provider, busy=worker not in lane.idle, mints=worker.mints
            )
            for provider, lane in self._lanes.items()
            for worker in lane.all
        ]

    def pids(self) -> frozenset[int]:
        """Return the process ids of the live workers."""
        minting = [worker.pid for lane in self._lanes.values() for worker in lane.all]
        return frozenset([*minting, *(worker.pid for worker in self._logins)])

    def send_home(self) -> None:
        """End the workers, each after what it does just now: they hold what they minted with."""
        for lane in self._lanes.values():
            for worker in lane.all:
                worker.leaving = True
            for worker in list(lane.idle):
                worker.retire()

    async def finish(self, patience: float) -> None:
        """Begin nothing more, and wait until no worker holds a rotating grant.

        *patience*: seconds at most. For a daemon whose end is the end of its workers too.
        """
        self._closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                # Once, at the end of a process: nothing that deserves an event of its own.
                while any(lane.rotating for lane in self._lanes.values()):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK)

    async def close(self) -> None:
        """Kill the workers and wait for their end, 1.5 s at most.

        But those that hold a rotating grant just now: they finish into their journals.
        """
        self._closing = True
        workers = [*self._logins]
        for lane in self._lanes.values():
            for worker in list(lane.all):
                if worker in lane.rotating:
                    worker.abandon()
                else:
                    workers.append(worker)
        for worker in workers:
            worker.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE):
                for worker in workers:
                    await worker.reaped.wait()

    # --- one mint

    async def _mint(
        self,
        provider: str,
        lane: _Lane,
        mint_request: MintRequest,
        progress: _Progress,
        exchange: _Exchange | None = None,
    ) -> MintedToken:
        while True:
            progress.stage = "start"
            worker, fresh = await self._take(
                provider, lane, mint_request.credential, journaled=exchange is not None
            )
            progress.stage = "mint"
            try:
                if exchange is None:
                    minted = await self._borrow(lane, worker, mint_request)
                else:
                    minted = await self._rotate(lane, worker, mint_request, exchange)
            except BrokerError as failure:
                if not worker.alive and not fresh and failure.sent == "no" and not self._closing:
                    # It died in its sleep, before it was asked: that costs the caller nothing.
                    continue
                raise
            return minted

    async def _borrow(self, lane: _Lane, worker: Worker, mint_request: MintRequest) -> MintedToken:
        try:
            minted = await worker.mint(mint_request)
        except BrokerError:
            self._give_back(lane, worker)
            raise
        except BaseException:
            # The deadline or the daemon's end: only a killed process is a cancelled mint.
            self._log.warning("worker %d for %s is killed", worker.pid, worker.provider)
            worker.kill()
            raise
        self._give_back(lane, worker)
        return minted

    async def _rotate(
        self, lane: _Lane, worker: Worker, mint_request: MintRequest, exchange: _Exchange
    ) -> MintedToken:
        """Mint on a grant that may be replaced; settled before anybody else gets the worker."""
        journal = worker.journal
        assert journal is not None, "a worker without a journal was taken"
        outcome: MintedToken | BrokerError
        lane.rotating.add(worker)
        exchange.begin()
        try:
            exchange.rotating.lend(journal)
            outcome = await worker.mint(mint_request)
        except BrokerError as failure:
            outcome = failure
        except OSError as error:
            outcome = _unwritable(mint_request.credential, error)
        except BaseException:
            if self._closing or not exchange.patience.expired():
                # Nobody but the daemon's end cancels a mint: the exchange goes on without us.
                worker.abandon()
                journal.close()
                raise
            # The exchange took longer than any exchange may.
            worker.kill()
            hung = BrokerError(Kind.TIMED_OUT, "the exchange was killed", sent="maybe")
            await self._settle(lane, worker, exchange.rotating, hung, journal)
            raise
        if self._closing and isinstance(outcome, BrokerError) and not worker.alive:
            # The link was closed by us: the outcome will be in the journal, which is from now on
            # locked by the worker alone.
            journal.close()
            raise outcome
        exchange.end()
        await self._settle(lane, worker, exchange.rotating, outcome, journal)
        if isinstance(outcome, BrokerError):
            raise outcome
        return outcome

    async def _settle(
        self,
        lane: _Lane,
        worker: Worker,
        rotating: Rotating,
        outcome: MintedToken | BrokerError,
        journal: JournalFile,
    ) -> None:
        reusable = False
        try:
            if not worker.alive:
                # Until it is dead for good it may still be writing what it was brought.
                await worker.reaped.wait()
            reusable = await rotating.settle(outcome, journal)
        finally:
            lane.rotating.discard(worker)
            if reusable and worker.alive:
                self._give_back(lane, worker)
            elif reusable:
                journal.remove()
            else:
                # The journal is all there is of a grant: whoever keeps grants removes it later.
                worker.journal = None
                worker.retire()

    async def _take(
        self, provider: str, lane: _Lane, credential: str, *, journaled: bool
    ) -> tuple[Worker, bool]:
        fit = [each for each in lane.idle if each.journal is not None or not journaled]
        if fit:
            worker = fit[-1]
            lane.idle.remove(worker)
            if worker.idle_timer is not None:
                worker.idle_timer.cancel()
            return worker, False
        return await self._start(provider, lane, credential, journaled=journaled), True

    async def _start(
        self, provider: str, lane: _Lane, credential: str, *, journaled: bool
    ) -> Worker:
        journal = None
        # A provider that is not in the table may rotate too: its first mint that does says so.
        if (journaled or rules_of(provider).rotates) and self._journals is not None:
            try:
                # In a thread: it waits for the disk.
                journal = await asyncio.to_thread(self._journals.create)
            except OSError as error:
                raise _unwritable(credential, error) from error
        elif journaled:
            raise BrokerError(Kind.INTERNAL, f"provider {provider} has no rotation journals")
        if self._closing:
            if journal is not None:
                journal.remove()
            raise _ending(credential)
        worker = Worker(
            provider,
            on_end=lambda ended: self._forget(lane, ended),
            journal=journal,
            on_used_up=self._on_used_up,
        )
        lane.all.append(worker)
        await self._greet(worker)
        return worker

    def _forget(self, lane: _Lane, worker: Worker) -> None:
        for workers in (lane.all, lane.idle):
            with contextlib.suppress(ValueError):
                workers.remove(worker)
        if worker.journal is not None and worker not in lane.rotating:
            # It died idle: nothing is in it.
            worker.journal.remove()
        self._on_left()

    def _forget_login(self, worker: Worker) -> None:
        self._logins.discard(worker)
        self._on_left()

    async def _greet(self, worker: Worker) -> None:
        try:
            async with asyncio.timeout(self._hello_timeout) as patience:
                await worker.start(self._executable, self._environ)
        except BaseException as error:
            worker.kill()
            if isinstance(error, TimeoutError) and patience.expired():
                raise BrokerError(
                    Kind.INTERNAL,
                    f"worker for provider {worker.provider} did not start within "
                    f"{self._hello_timeout:g} s: run credward doctor",
                ) from error
            raise

    def _give_back(self, lane: _Lane, worker: Worker) -> None:
        if not worker.alive:
            return
        lane.idle.append(worker)
        if worker.leaving:
            worker.retire()
            return
        loop = asyncio.get_running_loop()
        worker.idle_timer = loop.call_later(self._idle_after, worker.retire)

    def _checked(self, minted: MintedToken, credential: str) -> MintedToken:
        """Refuse a token that is over already: whatever a provider believes, it is no success."""
        if minted.expires_at is None or minted.expires_at > self._clock.now():
            return minted
        wipe(minted.body)
        raise BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{credential}" got a token that has expired already (clock wrong?): '
            "check the date of this machine",
            sent="maybe",
        )

    def _lane(self, provider: str) -> _Lane:
        if provider not in self._lanes:
            rules = rules_of(provider)
            places = Places(size=self._size or rules.size, spare=rules.spare)
            self._lanes[provider] = _Lane(places)
        return self._lanes[provider]


@dataclass(slots=True)
class _Progress:
    """How far a mint got, which its deadline's message must tell."""

    stage: str = "queue"

    def timed_out(self, credential: str, provider: str, deadline: float) -> BrokerError:
        match self.stage:
            case "queue":
                what = f"all workers for provider {provider} were busy"
            case "start":
                what = f"no worker for provider {provider} had started"
            case _:
                what = f"provider {provider} had not answered and was killed"
        return BrokerError(
            Kind.TIMED_OUT,
            f'"{credential}" got no token within {deadline:g} s, {what}; retrying by itself',
            sent="maybe" if self.stage == "mint" else "no",
        )


@dataclass(slots=True)
class _Exchange:
    """A mint that may replace its grant, and the time that it has once it begins."""

    rotating: Rotating
    patience: asyncio.Timeout
    seconds: float

    def begin(self) -> None:
        """Begin to count: what was waited for so far is not the exchange's to lose."""
        self.patience.reschedule(asyncio.get_running_loop().time() + self.seconds)

    def end(self) -> None:
        """Stop counting: an outcome is there, and settling it must not be cut short."""
        self.patience.reschedule(None)


def _ending(credential: str) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_UNREACHABLE, f'"{credential}" is not renewed, the daemon is ending: ask again'
    )


def _unwritable(credential: str, error: OSError) -> BrokerError:
    return BrokerError(
        Kind.INTERNAL,
        f'"{credential}" is not renewed, its rotation journal cannot be written '
        f"({error.strerror}): make room in the state directory; retrying by itself",
    )
