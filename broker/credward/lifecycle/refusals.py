"""What follows from the report that a token was refused where it is used.

Pure judgements; that the token is dropped and another one minted is `machine`. A guess never comes
here (that is `rejection`): only a report can make a credential unusable.

1. `unauthorized`, `revoked`: another token may help, so one is minted. Where the source gives the
   same one again, the secret itself is refused: until it is replaced, or until the reported time.
   One that has an end, and so will be another one some day, is tried again as in 2.
2. Where another token, minted for a report, is refused at once, too, the next one is minted after
   two minutes, or half a life where that is shorter, doubling to ten minutes.
3. `quota`, `billing`: no other token helps. A quota cools down (30 s, 60 s, 5 min), or until the
   reported time; billing is looked at again after an hour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from credward.errors import Failure, Kind, Recovery
from credward.lifecycle import schedule
from credward.lifecycle.record import KeyRecord
from credward.lifecycle.vocabulary import Reason, Rejected, Verdict

__all__ = ["condemn", "is_over", "judge", "reopen", "repeated", "strictest"]

# After this long without one, reports are counted from the beginning (seconds).
_CALM = 3600.0
# No report says anything about what comes later than in a month (seconds).
_LONGEST = 31 * 86_400.0


def judge(record: KeyRecord, report: Rejected, now: float) -> Verdict:
    """Return what to make of a report about the current token of *record*, and count it."""
    another_helps = report.reason.another_helps
    again = _at_once(record, now) if another_helps else now - record.refused_at < _CALM
    # The same one again says nothing of another: its time was over, and it was given once more.
    no_help = another_helps and again and _is_another(record)
    record.refusals = record.refusals + 1 if again else 1
    record.refused_at = now
    # A time that is over already comes of another clock, and says nothing.
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
    """Return whether the current token was minted for a report, and only just."""
    if record.minted_at is None or record.current is None or record.current.instead_of is None:
        return False
    return now - record.minted_at < schedule.untried_for(record.life)


def _is_another(record: KeyRecord) -> bool:
    """Return whether the current token is another one than was reported before."""
    return record.current is not None and record.current.token_id != record.current.instead_of


def strictest(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the one that holds longest of what is made of one report for several keys."""
    return max(verdicts, key=lambda each: math.inf if each.until is None else each.until)


def repeated(
    record: KeyRecord, reported: Verdict | None, *, ends: bool, now: float
) -> Verdict | None:
    """Return the verdict on a source that brings no help, None where its token may be handed out.

    That is a refused token again, or any where another one does not help. *reported*: what holds
    for it, whichever key was handed it. *ends*: whether it has an end.
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
    """Have *record* hand out nothing until the time is over, or an hourly look shows another."""
    record.verdict = verdict
    record.failure = _failure_of(record, verdict)
    record.sluggish = False
    over_at = now + schedule.FIX_INTERVAL if verdict.until is None else verdict.until
    # What the source itself asked for holds all the same.
    record.retry_at = max(record.retry_at, over_at)
    record.not_before = max(record.not_before, over_at)


def is_over(record: KeyRecord, now: float) -> bool:
    """Return whether what keeps the key from being handed out is a verdict whose time is over."""
    return record.verdict is not None and record.verdict.final and not record.verdict.holds(now)


def reopen(record: KeyRecord, now: float) -> None:
    """Let the flight that begins show whether the key is good again, if its time is over."""
    if record.verdict is not None and is_over(record, now):
        record.verdict = msgspec.structs.replace(record.verdict, final=False)


def _failure_of(record: KeyRecord, verdict: Verdict) -> Failure:
    """Return what whoever asks is told."""
    name, recovery = record.key.credential, Recovery.FIX_CONFIGURATION
    match verdict.reason:
        case Reason.QUOTA:
            recovery = Recovery.RETRY
            text = "has no quota left: retrying by itself"
        case Reason.BILLING:
            text = f"is refused for billing: check its account, then run credward refresh {name}"
        case Reason.UNAUTHORIZED | Reason.REVOKED:
            remedy = record.plan.remedy or f"check what it may do, then run credward refresh {name}"
            text = f"is refused where it is used ({verdict.reason.value}): {remedy}"
    return Failure.of(Kind.PROVIDER_REFUSED, f'"{name}" {text}', recovery=recovery)
