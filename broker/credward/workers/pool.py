"""The daemon's side of the workers: starts them on demand, hands out mints, kills at the deadline.

Decides how long to wait; a `lane` has the workers of one provider, `worker` is one process. The
worker knows how to mint, the lifecycle when.
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
from credward.upstream import Reply
from credward.workers.environment import PROBE, rules_of
from credward.workers.lane import JournalMaker, Lane, Rotating, TimeAllowed
from credward.workers.link import (
    CheckRequest,
    GrantGiven,
    LoginAnswer,
    LoginRequest,
    LoginStep,
    MintedToken,
    MintRequest,
    ProbeRequest,
    RevokeRequest,
)
from credward.workers.slots import Slots
from credward.workers.token_bytes import wipe
from credward.workers.worker import Worker

__all__ = ["Login", "WorkerPool", "WorkerView"]

# A human who has not logged in by then is away (seconds).
_LOGIN = 900.0
# How often an ending daemon checks for exchanges (seconds).
_LOOK = 0.05
# How long an ending daemon waits for killed workers (seconds).
_CLOSE = 1.5


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """What `status` and the metrics show of a live worker."""

    pid: int
    provider: str
    busy: bool
    mints: int


class Login:
    """A running login; *answer* passes on what the user typed."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def answer(self, answer: LoginAnswer) -> None:
        """Pass on what the user typed."""
        self._worker.tell(answer)


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """At most *size* workers per provider, None: as `environment` says.

    Some more while mints hang, see `slots`. A worker ends after *idle_after* idle seconds, and is
    given up if it says nothing for *hello_timeout* at its start.
    """

    size: int | None = None
    idle_after: float = 90.0
    hello_timeout: float = 15.0


class WorkerPool:
    """The processes that dial.

    *environ* is the daemon's own environment; a worker gets very little of it. *on_used_up* hears
    which one-time proofs are used up, before their mint ends; *on_left* hears that a worker has
    ended and its buffers are free.
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
        """Mint one token within *deadline* seconds, or raise `BrokerError`.

        *rotating*: the mint may replace its grant; then it goes on when the daemon ends, and its
        wait for a worker does not count against its deadline.
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
        """Run a login of a user in a separate worker that ends with it."""
        over = Failure.of(
            Kind.TIMED_OUT,
            f'"{request.credential}" was not logged in within {_LOGIN / 60:.0f} minutes: '
            f"run credward login {request.credential}",
        )
        async with self._errand(provider, _LOGIN, over) as worker:
            on_start(Login(worker))
            return await worker.login(request, on_event)

    async def revoke(self, provider: str, request: RevokeRequest, *, deadline: float) -> None:
        """Revoke a grant upstream, or raise `BrokerError`."""
        over = Failure.of(
            Kind.TIMED_OUT,
            f'"{request.credential}" was not revoked within {deadline:g} s, '
            f"provider {provider} did not answer",
            sent="maybe",
        )
        async with self._errand(provider, deadline, over) as worker:
            await worker.revoke(request)

    async def check(self, provider: str, request: CheckRequest, *, deadline: float) -> None:
        """Ask a server whether people can log in there; raise `BrokerError` if not."""
        over = Failure.of(
            Kind.TIMED_OUT,
            f'"{request.credential}" has a server that did not answer within {deadline:g} s: '
            "check issuer, network and proxy",
        )
        async with self._errand(provider, deadline, over) as worker:
            await worker.check(request)

    async def probe(self, request: ProbeRequest, *, deadline: float) -> Reply:
        """Ask one question of the service that takes a token, in a worker of its own.

        So a service that hangs holds up no mint.
        """
        over = Failure.of(
            Kind.TIMED_OUT,
            f'"{request.credential}" was not answered within {deadline:g} s: '
            "check network and proxy, then ask again",
            sent="maybe",
        )
        async with self._errand(PROBE, deadline, over) as worker:
            return await worker.probe(request)

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
        """End the workers, each after its current task: they hold the secrets they minted with."""
        for lane in self._lanes.values():
            lane.send_home()

    async def finish(self, patience: float) -> None:
        """Start nothing more, and wait until no worker holds a rotating grant.

        *patience*: at most so many seconds. For a daemon whose workers end with it.
        """
        self._begin_nothing()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                # Only once, at the end of a process: not worth an event.
                while any(lane.exchanges for lane in self._lanes.values()):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK)

    async def close(self) -> None:
        """Kill the workers and wait for their end, 1.5 s at most.

        Workers that hold a rotating grant are not killed: they finish into their journals.
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
        """Lend a separate worker that ends with the block; raise *over* after *seconds*."""
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
        """Refuse a token that has already expired, whatever the provider says."""
        if minted.expires_at is None or minted.expires_at > self._clock.now():
            return minted
        wipe(minted.body)
        raise BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{credential}" got a token that has already expired (clock wrong?): '
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
