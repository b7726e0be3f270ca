"""What a daemon keeps beyond a token: its store, the grants in it, what their uses left on disk.

A value: the parts by name, for who works with several of them. Who makes them is `daemon`.
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
    """The parts. *scrub* has freed memory overwritten, where something was given up."""

    pool: WorkerPool
    journals: JournalDirectory
    replay_cache: ReplayCache
    opened_store: OpenedStore
    records: GrantRecords
    guard: SecretGuard
    keeper: GrantKeeper
    journal_replay: JournalReplay
    scrub: Callable[[], None]
