"""When a failed key is tried again: by itself, and for callers that ask.

Pure, like `machine`, which starts the mints.

1. By itself, a key is tried after its own pauses, at `retry_at`.
2. Requests cause one try of a failing server in five seconds, all requests together, during the
   pause of a key or after it. The first success lets all through.
3. Nothing is tried before the end of a pause that the server asked for.
4. A key whose requests always come just after others gets its turn half a minute after its own
   pause: the failure may be only with the others.
5. A key that never failed is tried: failures of others prove nothing about it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable

import msgspec

from credward.errors import Failure, Recovery
from credward.lifecycle import schedule
from credward.lifecycle.record import KeyRecord

__all__ = ["Pauses"]

# After a failure that took longer than this, callers do not wait for the next one (seconds).
_PROMPT = 2.0
# A key gets its turn this long after its own pause, even if others were tried (seconds).
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
        """Note that the key can be minted: after a success, or because it got what it needed."""
        record.failure = None
        record.failures_in_row = 0
        record.retry_at = record.not_before = -math.inf
        record.sluggish = False

    def answered(self, record: KeyRecord) -> None:
        """Note that the server gave a token: all others that wait for it may try at once."""
        self._quiet_until.pop(record.plan.upstream, None)

    def standing(self, record: KeyRecord, now: float) -> Failure | None:
        """Return the failure to tell a caller that asks now, None if a mint is worth the wait."""
        failure = record.failure
        if failure is None:
            return None
        if record.busy:
            return failure if record.sluggish else None
        again = self.opens_at(record)
        return None if now >= again else msgspec.structs.replace(failure, retry_after=again - now)

    def opens_at(self, record: KeyRecord) -> float:
        """Return the earliest instant at which a request may cause a try of the key."""
        if record.failure is None or not _passes(record.failure):
            return record.retry_at
        quiet_until = self._quiet_until.get(_place(record), -math.inf)
        return max(record.not_before, min(quiet_until, record.retry_at + _TURN))

    def tried(self, record: KeyRecord, now: float) -> None:
        """Note that a request causes a try of the key; for a failing server it counts for all."""
        if _place(record) in self._quiet_until:
            self._quiet_until[_place(record)] = now + schedule.PROBE_INTERVAL

    def keep_only(self, upstreams: set[str], credentials: set[str]) -> None:
        """Forget all other servers and credentials."""
        kept = {*upstreams, *(("local", name) for name in credentials)}
        self._quiet_until = {each: at for each, at in self._quiet_until.items() if each in kept}

    def shift(self, seconds: float) -> None:
        """Move all remembered times by *seconds*: the clock was set by as much."""
        self._quiet_until = {each: at + seconds for each, at in self._quiet_until.items()}


def _passes(failure: Failure) -> bool:
    """Return whether a failure may be gone now: temporary, or something was missing here."""
    return failure.recovery is Recovery.RETRY or (
        failure.local and failure.recovery is Recovery.FIX_CONFIGURATION
    )


def _place(record: KeyRecord) -> Hashable:
    """Return what is probed: a server, or what one credential lacks on this machine."""
    if record.failure is not None and record.failure.local:
        return ("local", record.key.credential)
    return record.plan.upstream
