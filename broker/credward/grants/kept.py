"""What a daemon keeps besides tokens: its store, the grants in it, the journals on disk.

A value: the parts by name, for code that uses several of them. `daemon` makes them.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from credward.grants.journal_replay import JournalReplay
from credward.grants.keeper import GrantKeeper
from credward.grants.opened_store import OpenedStore
from credward.grants.records import GrantRecords
from credward.grants.replay_cache import ReplayCache
from credward.grants.secret_guard import SecretGuard
from credward.store.journal import JournalDirectory
from credward.workers.pool import WorkerPool

__all__ = ["Kept"]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The parts. *scrub* overwrites freed memory after something was dropped."""

    pool: WorkerPool
    journals: JournalDirectory
    replay_cache: ReplayCache
    opened_store: OpenedStore
    records: GrantRecords
    guard: SecretGuard
    keeper: GrantKeeper
    journal_replay: JournalReplay
    scrub: Callable[[], None]
