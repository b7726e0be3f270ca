"""The records of the lifecycle: which keys and grants there are, who waits, when to look again.

Finds, makes, forgets and schedules records; `machine` decides what happens to them.
"""

from __future__ import annotations

import heapq
import itertools
import math

from credward.lifecycle.record import GrantQueue, KeyRecord, Waiting
from credward.lifecycle.vocabulary import Plan, TokenKey, Verdict

__all__ = ["LifecycleError", "Records", "TooManyKeysError"]

_MOST_KEYS = 64
# Reported tokens to remember per credential; the oldest go first.
_MOST_REPORTED = 64
# The heap of deadlines is rebuilt when most of it is outdated, but not if it is small.
_SMALL_HEAP = 64


class LifecycleError(ValueError):
    """An impossible event: a defect of the driver; nothing was changed."""


class TooManyKeysError(LifecycleError):
    """A credential already has as many live token keys as it may."""


class Records:
    """All records of one daemon."""

    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {}
        self.by_key: dict[TokenKey, KeyRecord] = {}
        self._by_credential: dict[str, dict[TokenKey, KeyRecord]] = {}
        self._grants: dict[str, GrantQueue] = {}
        self._reported: dict[str, dict[str, Verdict]] = {}
        self._waiting: dict[int, KeyRecord] = {}
        self._heap: list[tuple[float, int, KeyRecord]] = []
        self._sequence = itertools.count()

    # --- keys -------------------------------------------------------------------------------

    def find_or_make(self, key: TokenKey) -> KeyRecord:
        """Return the record of *key*; raises `LifecycleError` if it is not configured."""
        if (found := self.by_key.get(key)) is not None:
            return found
        plan = self.plans.get(key.credential)
        if plan is None or plan.epoch != key.epoch:
            raise LifecycleError(f"{key.credential} of epoch {key.epoch} is not configured")
        siblings = self._by_credential.setdefault(key.credential, {})
        if len(siblings) >= _MOST_KEYS:
            self._evict(siblings)
        record = KeyRecord(key=key, plan=plan)
        self.by_key[key] = siblings[key] = record
        return record

    def of_credential(self, credential: str) -> dict[TokenKey, KeyRecord]:
        """Return the records of one credential."""
        return self._by_credential.get(credential, {})

    def holders(self, credential: str, token_id: str) -> list[KeyRecord]:
        """Return the keys of *credential* that hold this token: a source may have only one."""
        return [each for each in self.of_credential(credential).values() if each.holds(token_id)]

    # --- reports ----------------------------------------------------------------------------

    def note_verdict(self, credential: str, verdict: Verdict) -> None:
        """Remember the verdict on a token, for any key that gets it next."""
        reported = self._reported.setdefault(credential, {})
        reported.pop(verdict.token_id, None)
        reported[verdict.token_id] = verdict
        if len(reported) > _MOST_REPORTED:
            del reported[next(iter(reported))]

    def verdict_on(self, credential: str, token_id: str, now: float) -> Verdict | None:
        """Return the verdict on a token, if it is still valid."""
        verdict = self._reported.get(credential, {}).get(token_id)
        return verdict if verdict is not None and verdict.holds(now) else None

    def forget_verdicts(self, credential: str) -> None:
        """Forget the reports on tokens of *credential*."""
        self._reported.pop(credential, None)

    # --- the end of keys --------------------------------------------------------------------

    def remove(self, record: KeyRecord) -> list[int]:
        """Forget a record and return its waiters."""
        waiters = list(record.waiters)
        for waiter in waiters:
            self.stop_waiting(waiter)
        record.wake_at = None
        record.queued = False
        del self.by_key[record.key]
        siblings = self._by_credential[record.key.credential]
        del siblings[record.key]
        if not siblings:
            del self._by_credential[record.key.credential]
        return waiters

    def _evict(self, siblings: dict[TokenKey, KeyRecord]) -> None:
        """Make room: forget an empty key, the one that was asked for longest ago."""
        idle = [each for each in siblings.values() if not each.busy and each.current is None]
        if not idle:
            raise TooManyKeysError(f"more than {_MOST_KEYS} token keys are in use")
        self.remove(min(idle, key=lambda each: each.last_asked_at or 0.0))

    # --- grants -----------------------------------------------------------------------------

    def grant(self, name: str) -> GrantQueue:
        """Return the record of a grant; make it if it is new."""
        found = self._grants.get(name)
        if found is None:
            found = self._grants[name] = GrantQueue(name=name)
        return found

    def grant_of(self, record: KeyRecord) -> GrantQueue:
        """Return the grant behind a key."""
        return self.grant(record.plan.grant)

    def grants(self) -> list[GrantQueue]:
        """Return all grants."""
        return list(self._grants.values())

    def on(self, grant: str) -> list[KeyRecord]:
        """Return the keys on a grant."""
        return [each for each in self.by_key.values() if each.plan.grant == grant]

    def forget_grants_but(self, names: set[str]) -> None:
        """Keep only the grants with these names."""
        self._grants = {name: each for name, each in self._grants.items() if name in names}

    # --- waiters ----------------------------------------------------------------------------

    def wait(self, record: KeyRecord, waiter: int, waiting: Waiting) -> None:
        """Note that a flight of *record* will answer *waiter*."""
        record.waiters[waiter] = waiting
        self._waiting[waiter] = record

    def is_waiting(self, waiter: int) -> bool:
        """Return whether there is a waiter with this number."""
        return waiter in self._waiting

    def stop_waiting(self, waiter: int) -> None:
        """Note that *waiter* was answered, or left."""
        if (record := self._waiting.pop(waiter, None)) is not None:
            del record.waiters[waiter]

    # --- deadlines --------------------------------------------------------------------------

    def schedule(self, record: KeyRecord, now: float) -> None:
        """Note when to look at *record* next: the end of its token, or the next mint."""
        at = record.current.ends_at if record.current is not None else math.inf
        if not record.busy and self.grant_of(record).parked is None:
            at = min(at, record.mints_by_itself_at(now))
        if at == record.wake_at:
            return
        record.wake_at = None if math.isinf(at) else at
        if record.wake_at is not None:
            # Older entries stay and are skipped: cheaper than finding them.
            if len(self._heap) > _SMALL_HEAP + 2 * len(self.by_key):
                self._sweep()
            else:
                heapq.heappush(self._heap, (at, next(self._sequence), record))

    def _sweep(self) -> None:
        """Rebuild the heap from the valid deadlines."""
        self._heap = [
            (each.wake_at, next(self._sequence), each)
            for each in self.by_key.values()
            if each.wake_at is not None
        ]
        heapq.heapify(self._heap)

    def shift(self, seconds: float) -> None:
        """Move all remembered times by *seconds*: the clock was set by as much."""
        for record in self.by_key.values():
            record.shift(seconds)
        for reported in self._reported.values():
            for token_id, verdict in reported.items():
                reported[token_id] = verdict.shifted(seconds)
        self._sweep()

    def wake_at(self) -> float | None:
        """Return the earliest instant at which something may be due."""
        heap = self._heap
        while heap and heap[0][2].wake_at != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def take_due(self, now: float) -> tuple[KeyRecord, float] | None:
        """Return the next record that is due and since when, or None."""
        at = self.wake_at()
        if at is None or at > now:
            return None
        record = heapq.heappop(self._heap)[2]
        record.wake_at = None
        return record, at
