"""What `status` shows of the lifecycle. Changes nothing."""

from __future__ import annotations

import math

from credward.errors import Failure, Recovery
from credward.lifecycle.record import KeyRecord
from credward.lifecycle.records import LifecycleError, Records
from credward.lifecycle.refusals import doubt_of, is_over
from credward.lifecycle.vocabulary import State, TokenKey, View

__all__ = ["view_of"]


def view_of(records: Records, credential: str, now: float) -> View:
    """Return the view of a credential: its default key, else the one asked for last."""
    plan = records.plans.get(credential)
    if plan is None:
        raise LifecycleError(f"unknown credential {credential}")
    keys = records.of_credential(credential)
    shown = keys.get(TokenKey(credential, plan.epoch)) or max(
        keys.values(), key=lambda each: each.last_asked_at or 0.0, default=None
    )
    parked = records.grant(plan.grant).parked
    if shown is None:
        state = State.PARKED if parked else State.EMPTY
        return View(credential=credential, state=state, grant=plan.grant, failure=parked)
    current = shown.current
    failure = parked or (None if is_over(shown, now) else shown.failure)
    due = shown.mints_by_itself_at(now)
    return View(
        credential=credential,
        state=State.PARKED if parked else _state(shown, now),
        grant=plan.grant,
        token_id=current.token_id if current else None,
        issued_at=current.issued_at if current else None,
        expires_at=current.expires_at if current else None,
        refresh_at=None if math.isinf(due) or parked else due,
        retry_at=shown.retry_at if shown.retry_at > now else None,
        last_asked_at=shown.last_asked_at,
        failure=failure,
        verdict=shown.verdict if shown.rejected(now) else None,
        doubt=_doubt([*keys.values()]),
        life=shown.life if 0 < shown.life < math.inf else None,
        mints=sum(each.mints for each in keys.values()),
        failures=sum(each.failures for each in keys.values()),
        waits=sum(each.waits for each in keys.values()),
        keys=len(keys),
    )


def _doubt(records: list[KeyRecord]) -> Failure | None:
    """Return the newest doubt about a token of one credential."""
    doubts = [(since, each) for each in records if (since := each.doubted_since()) is not None]
    if not doubts:
        return None
    since, record = max(doubts, key=lambda doubt: doubt[0])
    return doubt_of(record, since)


def _state(record: KeyRecord, now: float) -> State:
    failure = None if is_over(record, now) else record.failure
    if record.usable(now):
        if record.suspect is not None or record.doubted_since() is not None:
            return State.SUSPECT
        if record.busy:
            return State.REFRESHING
        return State.STALE if failure is not None else State.FRESH
    if record.busy:
        return State.MINTING
    if record.rejected(now):
        return State.REJECTED
    if failure is not None and failure.recovery is Recovery.FIX_CONFIGURATION:
        return State.PARKED
    return State.EMPTY if record.minted_at is None else State.EXPIRED
