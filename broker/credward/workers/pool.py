"""The daemon's side of the workers: starts them on demand, hands out mints, kills at the deadline.

Decides how long anybody waits; the workers of one provider are a `lane`, one process is `worker`,
what a mint does is the worker's business, when to mint is the lifecycle's.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec

from credward.clock import Clock
from credward.errors import BrokerError, Failure, Kind
from credward.paths import environment
from credward.workers.environment import rules_of
from credward.workers.lane import JournalMaker, Lane, Rotating, TimeAllowed
from credward.workers.link import (
    GrantGiven,
    LoginAnswer,
    LoginRequest,
    LoginStep,
    MintedToken,
    MintRequest,
    RevokeRequest,
)
from credward.workers.slots import Slots
from credward.workers.token_bytes import wipe
from credward.workers.worker import Worker

__all__ = ["Login", "WorkerPool", "WorkerView"]

# A human who has not logged in by then went to lunch (seconds).
_LOGIN = 900.0
# How often a daemon that is about to end looks for exchanges (seconds).
_LOOK = 0.05
# At the end of the daemon nobody waits longer than this for the dead (seconds).
_CLOSE = 1.5


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """What `status` and the metrics show of a live worker."""

    pid: int
    provider: str
    busy: bool
    mints: int


class Login:
    """A login that is under way; *answer* hands on what the user typed."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def answer(self, answer: LoginAnswer) -> None:
        """Hand on what the user typed."""
        self._worker.tell(answer)


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """At most *size* workers per provider, None: what `environment` says of the provider.

    Some more while mints hang, see `slots`. A worker ends when it had nothing to do for
    *idle_after* seconds, and is given up that says nothing for *hello_timeout* at its start.
    """

    size: int | None = None
    idle_after: float = 90.0
    hello_timeout: float = 15.0


class WorkerPool:
    """The processes that dial.

    *environ* is the daemon's own environment, of which a worker is handed very little. *on_used_up*
    is told, before the mint that it comes of ends, which one-time proofs count no more; *on_left*,
    that a worker has ended, whose buffers are free then.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        limits: PoolLimits | None = None,
        executable: str = sys.executable,
        environ: Mapping[str, str] | None = None,
        journals: JournalMaker | None = None,
        on_used_up: Callable[[Mapping[str, float]], None] | None = None,
        on_left: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._limits = limits or PoolLimits()
        self._executable = executable
        self._environ = environment() if environ is None else environ
        self._journals = journals
        self._on_used_up = on_used_up
        self._on_left = on_left
        self._lanes: dict[str, Lane] = {}
        self._errands: set[Worker] = set()
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
        timeout = asyncio.timeout(deadline)
        allowed = TimeAllowed(deadline, timeout)
        try:
            async with timeout, lane.slots.hold(mint_request.credential):
                minted = await lane.mint(mint_request, allowed, rotating)
        except TimeoutError as error:
            raise allowed.exceeded(mint_request.credential, provider).error() from error
        return self._checked(minted, mint_request.credential)

    async def login(
        self,
        provider: str,
        request: LoginRequest,
        on_event: Callable[[LoginStep], None],
        on_start: Callable[[Login], None],
    ) -> GrantGiven:
        """Have a user brought through a login, by a worker of its own that ends with it."""
        over = Failure.of(
            Kind.TIMED_OUT,
            f'"{request.credential}" was not logged in within {_LOGIN / 60:.0f} minutes: '
            f"run credward login {request.credential}",
        )
        async with self._errand(provider, _LOGIN, over) as worker:
            on_start(Login(worker))
            return await worker.login(request, on_event)

    async def revoke(self, provider: str, request: RevokeRequest, *, deadline: float) -> None:
        """Have a grant revoked upstream; raise `BrokerError` where that fails."""
        over = Failure.of(
            Kind.TIMED_OUT,
            f'"{request.credential}" was not revoked within {deadline:g} s, '
            f"provider {provider} did not answer",
            sent="maybe",
        )
        async with self._errand(provider, deadline, over) as worker:
            await worker.revoke(request)

    def snapshot(self) -> list[WorkerView]:
        """Return the live workers."""
        return [
            WorkerView(
                pid=worker.pid, provider=provider, busy=lane.is_busy(worker), mints=worker.mints
            )
            for provider, lane in self._lanes.items()
            for worker in lane.workers
        ]

    def pids(self) -> frozenset[int]:
        """Return the process ids of the live workers."""
        minting = [worker.pid for lane in self._lanes.values() for worker in lane.workers]
        return frozenset([*minting, *(worker.pid for worker in self._errands)])

    def send_home(self) -> None:
        """End the workers, each after what it does just now: they hold what they minted with."""
        for lane in self._lanes.values():
            lane.send_home()

    async def finish(self, patience: float) -> None:
        """Begin nothing more, and wait until no worker holds a rotating grant.

        *patience*: seconds at most. For a daemon whose end is the end of its workers too.
        """
        self._begin_nothing()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                # Once, at the end of a process: nothing that deserves an event of its own.
                while any(lane.exchanges for lane in self._lanes.values()):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK)

    async def close(self) -> None:
        """Kill the workers and wait for their end, 1.5 s at most.

        But those that hold a rotating grant just now: they finish into their journals.
        """
        self._begin_nothing()
        workers = [*self._errands]
        for lane in self._lanes.values():
            workers += lane.let_go()
        for worker in workers:
            worker.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE):
                for worker in workers:
                    await worker.reaped.wait()

    def _begin_nothing(self) -> None:
        self._closing = True
        for lane in self._lanes.values():
            lane.begin_nothing()

    def _forget_errand(self, worker: Worker) -> None:
        self._errands.discard(worker)
        self._on_left()

    @contextlib.asynccontextmanager
    async def _errand(self, provider: str, seconds: float, over: Failure) -> AsyncIterator[Worker]:
        """Lend a worker of its own that ends with the block; raise *over* after *seconds*."""
        worker = Worker(provider, on_end=self._forget_errand)
        self._errands.add(worker)
        try:
            async with asyncio.timeout(seconds):
                await self._greet(worker)
                yield worker
        except TimeoutError as error:
            raise over.error() from error
        finally:
            worker.kill()

    async def _greet(self, worker: Worker) -> None:
        try:
            async with asyncio.timeout(self._limits.hello_timeout) as patience:
                await worker.start(self._executable, self._environ)
        except BaseException as error:
            worker.kill()
            if isinstance(error, TimeoutError) and patience.expired():
                raise BrokerError(
                    Kind.INTERNAL,
                    f"worker for provider {worker.provider} did not start within "
                    f"{self._limits.hello_timeout:g} s: run credward doctor",
                ) from error
            raise

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

    def _lane(self, provider: str) -> Lane:
        if provider not in self._lanes:
            rules = rules_of(provider)
            lane = self._lanes[provider] = Lane(
                provider,
                slots=Slots(size=self._limits.size or rules.size, spare=rules.spare),
                greet=self._greet,
                idle_after=self._limits.idle_after,
                journals=self._journals,
                on_used_up=self._on_used_up,
                on_left=self._on_left,
            )
            if self._closing:
                lane.begin_nothing()
        return self._lanes[provider]
