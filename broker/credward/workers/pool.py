"""The daemon's side of the workers: starts them on demand, hands out mints, kills at the deadline.

Decides who waits and who is killed; one process is `worker`, what a mint does is the worker's
business, when to mint is the lifecycle's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from credward.clock import Clock
from credward.config.places import environment
from credward.errors import BrokerError, Kind
from credward.workers.environment import rules_of
from credward.workers.link import MintedToken, MintRequest
from credward.workers.token_bytes import wipe
from credward.workers.worker import Worker

__all__ = ["WorkerPool", "WorkerView"]

_log = logging.getLogger(__name__)

# At the end of the daemon nobody waits longer than this for the dead (seconds).
_CLOSE = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """What `status` and the metrics show of a live worker."""

    pid: int
    provider: str
    busy: bool
    mints: int


@dataclass(slots=True)
class _Lane:
    """The workers of one provider. Whoever holds a slot has a worker of its own."""

    size: int
    slots: asyncio.Semaphore
    idle: list[Worker] = field(default_factory=list)
    all: list[Worker] = field(default_factory=list)


class WorkerPool:
    """At most *size* workers per provider (None: what `environment` says of the provider).

    *environ* is the daemon's own environment, of which a worker is handed very little.
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
    ) -> None:
        self._clock = clock
        self._log = log
        self._size = size
        self._idle_after = idle_after
        self._executable = executable
        self._hello_timeout = hello_timeout
        self._environ = environment() if environ is None else environ
        self._lanes: dict[str, _Lane] = {}

    async def mint(
        self, provider: str, mint_request: MintRequest, *, deadline: float
    ) -> MintedToken:
        """Have one token minted within *deadline* seconds; raise `BrokerError` where that fails."""
        lane = self._lane(provider)
        progress = _Progress()
        try:
            async with asyncio.timeout(deadline), lane.slots:
                minted = await self._mint(provider, lane, mint_request, progress)
        except TimeoutError as error:
            raise progress.timed_out(mint_request.credential, provider, deadline) from error
        return self._checked(minted, mint_request.credential)

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
        return frozenset(worker.pid for lane in self._lanes.values() for worker in lane.all)

    async def close(self) -> None:
        """Kill the workers and wait for their end, 1.5 s at most."""
        workers = [worker for lane in self._lanes.values() for worker in lane.all]
        for worker in workers:
            worker.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE):
                for worker in workers:
                    await worker.reaped.wait()

    # --- one mint

    async def _mint(
        self, provider: str, lane: _Lane, mint_request: MintRequest, progress: _Progress
    ) -> MintedToken:
        while True:
            progress.stage = "start"
            worker, fresh = await self._take(provider, lane)
            try:
                progress.stage = "mint"
                minted = await worker.mint(mint_request)
            except BrokerError as failure:
                if not worker.alive and not fresh and failure.sent == "no":
                    # It died in its sleep, before it was asked: that costs the caller nothing.
                    continue
                self._give_back(lane, worker)
                raise
            except BaseException:
                # The deadline or the daemon's end: only a killed process is a cancelled mint.
                self._log.warning("worker %d for %s is killed", worker.pid, provider)
                worker.kill()
                raise
            self._give_back(lane, worker)
            return minted

    async def _take(self, provider: str, lane: _Lane) -> tuple[Worker, bool]:
        if lane.idle:
            worker = lane.idle.pop()
            if worker.idle_timer is not None:
                worker.idle_timer.cancel()
            return worker, False
        return await self._start(provider, lane), True

    async def _start(self, provider: str, lane: _Lane) -> Worker:
        worker = Worker(provider, on_end=lambda ended: _forget(lane, ended))
        lane.all.append(worker)
        try:
            async with asyncio.timeout(self._hello_timeout) as patience:
                await worker.start(self._executable, self._environ)
        except BaseException as error:
            worker.kill()
            if isinstance(error, TimeoutError) and patience.expired():
                raise BrokerError(
                    Kind.INTERNAL,
                    f"worker for provider {provider} did not start within "
                    f"{self._hello_timeout:g} s: run credward doctor",
                ) from error
            raise
        return worker

    def _give_back(self, lane: _Lane, worker: Worker) -> None:
        if not worker.alive:
            return
        lane.idle.append(worker)
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
            size = self._size or rules_of(provider).size
            self._lanes[provider] = _Lane(size=size, slots=asyncio.Semaphore(size))
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


def _forget(lane: _Lane, worker: Worker) -> None:
    for workers in (lane.all, lane.idle):
        with contextlib.suppress(ValueError):
            workers.remove(worker)
