"""Pools that end with their test, and requests to give them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from credward.clock import SystemClock
from credward.tokens import Secret
from credward.workers.link import MintRequest
from credward.workers.pool import PoolLimits, WorkerPool
from waiting import PATIENCE

MakePool = Callable[..., WorkerPool]


@pytest.fixture
async def make_pool() -> AsyncIterator[MakePool]:
    """Return a maker of pools; all of them are closed at the end."""
    pools: list[WorkerPool] = []

    def make(**options: Any) -> WorkerPool:
        # However slow this machine is, no worker is taken for one that does not start.
        limits = {"hello_timeout": PATIENCE} | {
            name: options.pop(name)
            for name in ("size", "idle_after", "hello_timeout")
            if name in options
        }
        known = {"clock": SystemClock(), "environ": dict(os.environ)}
        pools.append(WorkerPool(limits=PoolLimits(**limits), **{**known, **options}))
        return pools[-1]

    yield make
    for pool in pools:
        await pool.close()


@pytest.fixture
def ask() -> Callable[..., MintRequest]:
    """Return a maker of mint requests for credential `gateway`."""

    def make(*, grant: str | None = None, **settings: Any) -> MintRequest:
        return MintRequest(
            credential="gateway",
            settings=settings,
            secrets={} if grant is None else {"secret": Secret(grant)},
            now=SystemClock().now(),
        )

    return make
