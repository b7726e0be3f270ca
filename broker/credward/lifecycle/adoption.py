"""What happens to a token from a mint, or from an earlier run of the daemon.

Pure; `machine` decides whether it is wanted at all and who gets it.
"""

from __future__ import annotations

import math

from credward.lifecycle import schedule
from credward.lifecycle.record import Current, KeyRecord
from credward.lifecycle.records import Records, TooManyKeysError
from credward.lifecycle.vocabulary import Drop, Minted, Restored

__all__ = ["adopt", "take_up"]


def adopt(record: KeyRecord, event: Minted, ends_at: float, now: float) -> list[Drop]:
    """Replace the current token by the minted one, if that is better; return the token to drop."""
    old = record.current
    progress = old is None or ends_at > old.ends_at or not record.usable(now)
    # If somebody asked for a token other than ours, another one is better.
    replaces = record.forced and old is not None and event.token_id != old.token_id
    if old is not None and not progress and not replaces:
        # The source returned its cached token: asking again soon would change nothing.
        record.look_again_at = now + schedule.look_again_in(old.ends_at - now)
        return [] if event.token_id == old.token_id else [Drop(event.key, event.token_id)]
    verdict, record.verdict = record.verdict, None
    record.lived(ends_at - now)
    record.jitter = event.jitter
    record.look_again_at = -math.inf
    record.current = Current(
        token_id=event.token_id,
        issued_at=event.issued_at,
        expires_at=event.expires_at,
        ends_at=ends_at,
        since=now,
        instead_of=verdict.token_id if verdict and verdict.reason.another_helps else None,
    )
    if old is None or old.token_id == event.token_id:
        return []
    return [Drop(record.key, old.token_id)]


def take_up(records: Records, event: Restored, now: float) -> list[Drop]:
    """Take a token of an earlier run, unless this run has a newer state."""
    key = event.key
    plan = records.plans.get(key.credential)
    at_mint = schedule.ends_at(event.issued_at, event.expires_at, event.minted_at)
    life = at_mint - event.minted_at
    ends_at = schedule.ends_at(event.minted_at, at_mint, now)
    record = records.by_key.get(key)
    if record is not None and record.holds(event.token_id):
        return []
    if (
        plan is None
        or plan.epoch != key.epoch
        or not 0 < life < math.inf
        or ends_at - now < max(schedule.floor(life), math.ulp(now))
        or (record is not None and (record.busy or record.current or record.verdict))
        or records.verdict_on(key.credential, event.token_id, now)
    ):
        return [Drop(key, event.token_id)]
    try:
        record = records.find_or_make(key)
    except TooManyKeysError:
        return [Drop(key, event.token_id)]
    record.current = Current(
        token_id=event.token_id,
        issued_at=event.issued_at,
        expires_at=event.expires_at,
        ends_at=ends_at,
        since=min(event.minted_at, now),
    )
    record.lived(life)
    record.jitter = event.jitter
    record.minted_at = record.current.since
    records.schedule(record, now)
    return []
