"""The daemon's side of the workers: starts them on demand, hands out mints, kills at the deadline.

Moves one request and one answer per mint; what a mint does is the worker's business, when to mint
is the lifecycle's.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from credward.clock import Clock
from credward.workers.link import MintedToken, MintRequest

__all__ = ["WorkerPool", "WorkerView"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """What `status` and the metrics show of a live worker."""

    pid: int
    provider: str
    busy: bool
    mints: int


class WorkerPool:
    """At most *size* workers per provider (None: what `environment` says for the provider)."""

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
    ) -> None: ...

    async def mint(
        self, provider: str, mint_request: MintRequest, *, deadline: float
    ) -> MintedToken:
        """Have one token minted within *deadline* seconds; raise `BrokerError` where that fails."""
        raise NotImplementedError

    def snapshot(self) -> list[WorkerView]:
        """Return the live workers."""
        raise NotImplementedError

    def pids(self) -> frozenset[int]:
        """Return the process ids of the live workers."""
        raise NotImplementedError

    async def close(self) -> None:
        """Kill the workers and wait for their end, 1.5 s at most."""
