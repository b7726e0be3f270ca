"""Remembers which one-time proofs are used up, even after restarts of workers and the daemon.

A server accepts a JWT with a `jti` once and then refuses it for good, so we must not present it
again. We keep one-way names and ends, nothing that anyone could present. The providers say which
proofs work only once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec

from credward.clock import Clock
from credward.errors import BrokerError
from credward.store.files import read_private, replace

__all__ = ["ReplayCache"]

_log = logging.getLogger(__name__)

# No rotating source makes more than this in the life of one proof (entries).
_MEMORY = 512


class ReplayCache:
    """One file of names, read at the first question; *path* need not exist."""

    def __init__(self, *, clock: Clock, path: Path) -> None:
        self._clock = clock
        self._path = path
        self._until: dict[str, float] | None = None
        self._saved: dict[str, float] = {}
        self._turn = asyncio.Lock()

    def alive(self) -> list[str]:
        """Return the names of those that have not expired."""
        now = self._clock.now()
        self._until = {name: end for name, end in self._load().items() if end > now}
        return list(self._until)

    def add(self, used_up: Mapping[str, float]) -> None:
        """Remember each until its end (Unix seconds); on disk after the next `save`."""
        self.alive()
        kept = [*self._load().items(), *used_up.items()]
        self._until = dict(kept[-_MEMORY:])

    async def save(self) -> None:
        """Make additions durable; if that fails they are remembered until the daemon ends."""
        if self._until is None or self._until.keys() <= self._saved.keys():
            return
        async with self._turn:
            content = dict(self._load())
            try:
                # In a thread: it waits for the disk.
                await asyncio.to_thread(replace, self._path, msgspec.json.encode(content))
            except OSError as error:
                _log.error("%s cannot be written (%s): make room", self._path, error.strerror)
            else:
                self._saved = content

    def _load(self) -> dict[str, float]:
        if self._until is None:
            self._until = self._saved = self._read()
        return self._until

    def _read(self) -> dict[str, float]:
        try:
            content = read_private(self._path, "record of used proofs")
            return {} if content is None else msgspec.json.decode(content, type=dict[str, float])
        except (BrokerError, msgspec.DecodeError) as error:
            # Each forgotten one costs one refusal.
            _log.error("%s cannot be read: %s", self._path, error)
            return {}
