"""When a key that failed is tried again: by itself, and by whoever asks.

Pure, like `machine`, which starts the mints.

1. By itself a key is tried at the pace of its own pauses, `retry_at`.
2. Those who ask have a server that fails tried once in five seconds, all of them together, during
   the pause of a key or after it. The first success lets everybody through.
3. Nothing is tried before the pause that the server asked for itself.
4. Whoever has the bad luck to ask just after others, again and again, has its turn half a minute
   after its own pause: what fails may be only theirs.
5. A key that never failed is tried: that others failed says nothing for sure about it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable

import msgspec

from credward.errors import Failure, Recovery
from credward.lifecycle import schedule
from credward.lifecycle.record import KeyRecord

__all__ = ["Pauses"]

# A failure that took longer to come than this keeps nobody waiting for the next one (seconds).
_PROMPT = 2.0
# The turn of a key comes this long after its own pause, whoever else was tried meanwhile (seconds).
_TURN = 30.0


class Pauses:
    """The pauses of all keys, and when each server may be probed next."""

    def __init__(self) -> None:
        self._quiet_until: dict[Hashable, float] = {}

    def failed(self, record: KeyRecord, failure: Failure, jitter: float, now: float) -> None:
        """Note that a flight failed, and when the next one may follow."""
        record.failures += 1
        record.failures_in_row += 1
        record.failure = failure
        record.sluggish = now - record.flight_at > _PROMPT
        record.not_before = now + schedule.asked_for(failure.retry_after)
        if failure.recovery is Recovery.RETRY:
            wait = schedule.backoff(record.failures_in_row, failure.retry_after, jitter)
            record.retry_at = now + wait
        elif failure.recovery is Recovery.FIX_CONFIGURATION:
            record.retry_at = now + schedule.FIX_INTERVAL
        if _passes(failure):
            self._quiet_until[_place(record)] = now + schedule.PROBE_INTERVAL

    def ended(self, record: KeyRecord) -> None:
        """Note that nothing keeps the key from being minted, by a success or by what it needed."""
        record.failure = None
        record.failures_in_row = 0
        record.retry_at = record.not_before = -math.inf
        record.sluggish = False

    def answered(self, record: KeyRecord) -> None:
        """Note that the server gave a token: whoever else waits for it may try at once."""
        self._quiet_until.pop(record.plan.upstream, None)

    def standing(self, record: KeyRecord, now: float) -> Failure | None:
        """Return the failure that whoever asks now is told, None where a mint is worth its wait."""
        failure = record.failure
        if failure is None:
            return None
        if record.busy:
            return failure if record.sluggish else None
        again = self.opens_at(record)
        return None if now >= again else msgspec.structs.replace(failure, retry_after=again - now)

    def opens_at(self, record: KeyRecord) -> float:
        """Return the earliest instant at which an ask may have the key tried."""
        if record.failure is None or not _passes(record.failure):
            return record.retry_at
        quiet_until = self._quiet_until.get(_place(record), -math.inf)
        return max(record.not_before, min(quiet_until, record.retry_at + _TURN))

    def tried(self, record: KeyRecord, now: float) -> None:
        """Note that an ask has the key tried: where its server fails, that is for all who ask."""
        if _place(record) in self._quiet_until:
            self._quiet_until[_place(record)] = now + schedule.PROBE_INTERVAL

    def keep_only(self, upstreams: set[str], credentials: set[str]) -> None:
        """Forget all other servers and credentials."""
        kept = {*upstreams, *(("local", name) for name in credentials)}
        self._quiet_until = {each: at for each, at in self._quiet_until.items() if each in kept}

    def shift(self, seconds: float) -> None:
        """Move everything remembered by *seconds* in time: the clock was set by as much."""
        self._quiet_until = {each: at + seconds for each, at in self._quiet_until.items()}


def _passes(failure: Failure) -> bool:
    """Return whether a failure may be gone by now: time heals it, or something was missing here."""
    return failure.recovery is Recovery.RETRY or (
        failure.local and failure.recovery is Recovery.FIX_CONFIGURATION
    )


def _place(record: KeyRecord) -> Hashable:
    """Return what is probed: a server, or what one credential misses on this machine."""
    if record.failure is not None and record.failure.local:
        return ("local", record.key.credential)
    return record.plan.upstream
