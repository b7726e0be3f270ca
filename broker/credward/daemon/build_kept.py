"""The first of three builders: what is kept. Constructs, and decides nothing.

What is minted from it is `build_minted`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from credward.clock import Clock
from credward.daemon.scrubbing import Scrubber
from credward.grants.journal_replay import JournalReplay
from credward.grants.keeper import GrantKeeper
from credward.grants.kept import Kept
from credward.grants.opened_store import OpenedStore
from credward.grants.records import GrantRecords
from credward.grants.replay_cache import ReplayCache
from credward.grants.secret_guard import SecretGuard
from credward.store.journal import JournalDirectory
from credward.workers.pool import WorkerPool

__all__ = ["Place", "StartPool", "build_kept"]


class StartPool(Protocol):
    """Makes the pool of the processes that dial."""

    def __call__(
        self,
        *,
        clock: Clock,
        journals: JournalDirectory,
        on_used_up: Callable[[Mapping[str, float]], None],
        on_left: Callable[[], None],
    ) -> WorkerPool:
        """Return it; the parameters are those of `WorkerPool`."""
        ...


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a daemon keeps things, and the environment that says where keys may come from."""

    state_dir: Path
    key_file: Path
    environ: Mapping[str, str]


def build_kept(
    *,
    clock: Clock,
    place: Place,
    scrubber: Scrubber,
    spawn: Callable[[Coroutine[Any, Any, None]], object],
    changed_hands: Callable[[str], None],
    pool: StartPool = WorkerPool,
) -> Kept:
    """Return the parts; *changed_hands* is told of a grant that came to be another account's."""
    journals = JournalDirectory(place.state_dir / "journals")
    replay_cache = ReplayCache(clock=clock, path=place.state_dir / "replay_cache.json")
    started = pool(
        clock=clock, journals=journals, on_used_up=replay_cache.add, on_left=scrubber.soon
    )
    opened_store = OpenedStore(
        clock=clock,
        pool=started,
        state_dir=place.state_dir,
        key_file=place.key_file,
        environ=place.environ,
    )
    records = GrantRecords(opened_store)
    keeper = GrantKeeper(
        clock=clock, records=records, release=journals.release, changed_hands=changed_hands
    )
    return Kept(
        pool=started,
        journals=journals,
        replay_cache=replay_cache,
        opened_store=opened_store,
        records=records,
        guard=SecretGuard(records),
        keeper=keeper,
        journal_replay=JournalReplay(keeper=keeper, journals=journals, spawn=spawn),
        scrub=scrubber.soon,
    )
