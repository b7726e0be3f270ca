"""What to do after a report that a token was refused where it is used, and what to say of it.

Pure judgements; `machine` drops the token and mints another one. Guesses are up to `rejection`:
only a report can make a credential unusable. A guess after which the source gave the same token
again is only told.

1. `unauthorized`, `revoked`: another token may help, so one is minted. If the source gives the same
   one again, the secret itself is refused: until it is replaced, or until the reported time. A
   token with an end, which will change some day, is tried again as in 2.
2. If another token, minted after a report, is refused at once too, the next one is minted after two
   minutes, or half a life if that is shorter, doubling up to ten minutes.
3. `quota`, `billing`: no other token helps. A quota cools down (30 s, 60 s, 5 min), or until the
   reported time; billing is checked again after an hour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from credward.errors import Failure, Kind, Recovery
from credward.lifecycle import schedule
from credward.lifecycle.record import KeyRecord
from credward.lifecycle.vocabulary import Reason, Rejected, Verdict

__all__ = ["condemn", "doubt_of", "is_over", "judge", "reopen", "repeated", "strictest"]

# After this long without a report the count restarts (seconds).
_CALM = 3600.0
# A report says nothing about the time after a month (seconds).
_LONGEST = 31 * 86_400.0


def judge(record: KeyRecord, report: Rejected, now: float) -> Verdict:
    """Return the verdict for a report on the current token of *record*, and count it."""
    another_helps = report.reason.another_helps
    again = _at_once(record, now) if another_helps else now - record.refused_at < _CALM
    # The same token again proves nothing about another: its time had ended, and it was given again.
    no_help = another_helps and again and _is_another(record)
    record.refusals = record.refusals + 1 if again else 1
    record.refused_at = now
    # A time in the past comes from another clock, and means nothing.
    told = report.until is not None and report.until > now
    until = min(report.until, now + _LONGEST) if told and report.until is not None else None
    if until is None and report.reason is Reason.QUOTA:
        until = now + schedule.cooldown(record.refusals)
    elif until is None and report.reason is Reason.BILLING:
        until = now + schedule.FIX_INTERVAL
    elif until is None and no_help:
        until = now + schedule.forced_spacing(record.refusals - 1, record.life)
    return Verdict(
        token_id=report.token_id,
        reason=report.reason,
        since=now,
        until=until,
        final=no_help or not another_helps,
    )


def _at_once(record: KeyRecord, now: float) -> bool:
    """Return whether the current token was just minted because of a report."""
    if record.current is None or record.current.instead_of is None:
        return False
    return now - record.current.since < schedule.untried_for(record.life)


def _is_another(record: KeyRecord) -> bool:
    """Return whether the current token differs from the one reported before."""
    return record.current is not None and record.current.token_id != record.current.instead_of


def strictest(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the longest of the verdicts on several keys for one report."""
    return max(verdicts, key=lambda each: math.inf if each.until is None else each.until)


def repeated(
    record: KeyRecord, reported: Verdict | None, *, ends: bool, now: float
) -> Verdict | None:
    """Return the verdict on a source that does not help, None if its token may be handed out.

    It does not help if it gives a refused token again, or if no other token helps. *reported*: the
    verdict on this token, for any key. *ends*: whether it has an end.
    """
    own = record.verdict
    if own is not None and own.holds(now) and not own.reason.another_helps:
        return own
    if reported is None:
        return None
    until = reported.until
    if until is None and ends:
        until = now + schedule.forced_spacing(record.refusals, record.life)
    return msgspec.structs.replace(reported, until=until, final=True)


def condemn(record: KeyRecord, verdict: Verdict, now: float) -> None:
    """Make *record* hand out nothing until the time ends, or an hourly try shows another token."""
    record.verdict = verdict
    record.failure = _failure_of(record, verdict)
    record.sluggish = False
    over_at = now + schedule.FIX_INTERVAL if verdict.until is None else verdict.until
    # A pause that the source asked for still counts.
    record.retry_at = max(record.retry_at, over_at)
    record.not_before = max(record.not_before, over_at)


def is_over(record: KeyRecord, now: float) -> bool:
    """Return whether the key waits only because of a verdict whose time has ended."""
    return record.verdict is not None and record.verdict.final and not record.verdict.holds(now)


def reopen(record: KeyRecord, now: float) -> None:
    """If the time has ended, let the new flight show whether the key is good again."""
    if record.verdict is not None and is_over(record, now):
        record.verdict = msgspec.structs.replace(record.verdict, final=False)


def _failure_of(record: KeyRecord, verdict: Verdict) -> Failure:
    """Return the failure for callers."""
    name, recovery = record.key.credential, Recovery.FIX_CONFIGURATION
    match verdict.reason:
        case Reason.QUOTA:
            recovery = Recovery.RETRY
            text = "has no quota left: retrying by itself"
        case Reason.BILLING:
            text = (
                f"is refused for billing: check its account, then run credward get --fresh {name}"
            )
        case Reason.UNAUTHORIZED | Reason.REVOKED:
            text = f"is refused where it is used ({verdict.reason.value}): {_remedy(record)}"
    return Failure.of(Kind.PROVIDER_REFUSED, f'"{name}" {text}', recovery=recovery)


def doubt_of(record: KeyRecord, since: float) -> Failure:
    """Return that the token is probably refused, for people: requests go on."""
    return Failure.of(
        Kind.PROVIDER_REFUSED,
        f'"{record.key.credential}" is probably refused where it is used',
        since=since,
        reason="an agent asked for another token, and the same one came back",
        remedy=_remedy(record),
        recovery=Recovery.FIX_CONFIGURATION,
    )


def _remedy(record: KeyRecord) -> str:
    """Return what to do if the source itself is refused."""
    again = f"run credward get --fresh {record.key.credential}"
    return record.plan.remedy or f"check its permissions, then {again}"
