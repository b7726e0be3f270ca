"""What a report makes of a token; what follows for whoever asks is test_machine."""

from __future__ import annotations

import math

import pytest

from credward.errors import Kind, Recovery
from credward.lifecycle import refusals
from credward.lifecycle.record import Current, KeyRecord
from credward.lifecycle.vocabulary import Plan, Reason, Rejected, TokenKey, Verdict

REMEDY = "run credward secret set team-key"


def record(**words: object) -> KeyRecord:
    plan = Plan(credential="a", epoch="e", grant="a", remedy=REMEDY)
    return KeyRecord(key=TokenKey("a", "e"), plan=plan, **words)  # type: ignore[arg-type]


def current(instead_of: str | None, since: float) -> Current:
    return Current(
        token_id="t",
        issued_at=0,
        expires_at=None,
        ends_at=math.inf,
        since=since,
        instead_of=instead_of,
    )


def report(reason: Reason = Reason.UNAUTHORIZED, until: float | None = None) -> Rejected:
    return Rejected(credential="a", token_id="t", reason=reason, until=until)


@pytest.mark.parametrize(
    ("reason", "final", "until"),
    [
        (Reason.UNAUTHORIZED, False, None),
        (Reason.REVOKED, False, None),
        (Reason.QUOTA, True, 1030),
        (Reason.BILLING, True, 4600),
    ],
)
def test_g9_each_reason_has_its_time(reason: Reason, final: bool, until: float | None) -> None:
    """Or the one that was reported, up to a month."""
    assert refusals.judge(record(), report(reason), 1000) == Verdict(
        token_id="t", reason=reason, since=1000, until=until, final=final
    )
    for asked, kept in ((5000.0, 5000.0), (1e12, 1000 + 31 * 86_400.0)):
        assert refusals.judge(record(), report(reason, asked), 1000).until == kept
    assert refusals.judge(record(), report(reason, 999), 1000).until == until


def test_g9_the_count_begins_anew_after_a_calm_hour() -> None:
    """Of quotas: 30 s, 60 s, 5 min, 5 min, and 30 s again."""
    key = record()
    ends = []
    for at in (0, 100, 300, 1000, 5000):
        verdict = refusals.judge(key, report(Reason.QUOTA), at)
        assert verdict.until is not None
        ends.append(verdict.until - at)

    assert ends == [30, 60, 300, 300, 30]


@pytest.mark.parametrize(
    ("since", "instead_of", "final"),
    [(990.0, "before", True), (990.0, None, False), (990.0, "t", False), (960.0, "before", False)],
)
def test_g11_only_another_fresh_token_that_was_minted_for_a_report_was_no_help(
    since: float, instead_of: str | None, final: bool
) -> None:
    """One that was good for a while is replaced again at once, and so is the same one again."""
    key = record(current=current(instead_of, since))
    key.lived(3600)

    assert refusals.judge(key, report(), 1000).final is final


def test_g11_the_same_token_at_once_again_is_left_alone_for_longer_each_time() -> None:
    """It has an end, so that another one comes some day: 2 minutes, 4, 8, 10."""
    key = record()
    key.lived(3600)
    pauses = []
    for at in (1000, 2000, 3000, 4000):
        key.current = current("t", since=at)
        verdict = refusals.judge(key, report(), at)
        key.verdict = refusals.repeated(key, verdict, ends=True, now=at)
        assert key.verdict is not None
        assert key.verdict.until is not None
        pauses.append(key.verdict.until - at)

    assert pauses == [120, 240, 480, 600]


def test_g9_the_same_token_again_is_a_verdict_on_the_key() -> None:
    """For good, or for half a life where the source will give another one some day."""
    key = record(refusals=1)
    key.lived(100)
    key.verdict = refusals.judge(key, report(), 1000)
    assert refusals.repeated(key, None, ends=False, now=1001) is None
    for ends, until in ((False, None), (True, 1051)):
        verdict = refusals.repeated(key, key.verdict, ends=ends, now=1001)
        assert verdict is not None
        assert (verdict.final, verdict.since, verdict.until) == (True, 1000, until)
    key.verdict = refusals.judge(key, report(Reason.QUOTA), 1000)

    assert refusals.repeated(key, None, ends=False, now=1001) == key.verdict
    assert refusals.repeated(key, None, ends=False, now=1060) is None


def test_g9_of_what_is_made_of_one_report_the_longest_holds() -> None:
    """For each key that held the token it may be another one."""
    short = refusals.judge(record(), report(until=1500), 1000)
    longer = refusals.judge(record(), report(until=1600), 1000)
    for_good = refusals.judge(record(), report(), 1000)

    assert refusals.strictest([short, longer]) == longer
    assert refusals.strictest([for_good, longer]) == for_good


@pytest.mark.parametrize(
    ("reason", "recovery", "words"),
    [
        (Reason.UNAUTHORIZED, Recovery.FIX_CONFIGURATION, f"(unauthorized): {REMEDY}"),
        (Reason.REVOKED, Recovery.FIX_CONFIGURATION, f"(revoked): {REMEDY}"),
        (Reason.QUOTA, Recovery.RETRY, "no quota left: retrying by itself"),
        (Reason.BILLING, Recovery.FIX_CONFIGURATION, "then run credward get --fresh a"),
    ],
)
def test_g9_whoever_asks_is_told_why_and_what_helps(
    reason: Reason, recovery: Recovery, words: str
) -> None:
    """In one line, about the credential."""
    key = record()
    refusals.condemn(key, refusals.judge(key, report(reason), 1000), 1000)

    assert key.failure is not None
    assert (key.failure.kind, key.failure.recovery) == (Kind.PROVIDER_REFUSED, recovery)
    assert key.failure.message.startswith('"a" ')
    assert key.failure.message.endswith(words)


def test_g9_a_short_verdict_does_not_shorten_what_the_source_asked_for() -> None:
    """Retry-After of its own, from a failure before."""
    key = record(retry_at=1200.0, not_before=1100.0)
    refusals.condemn(key, refusals.judge(key, report(Reason.QUOTA, 1050), 1000), 1000)

    assert (key.retry_at, key.not_before) == (1200, 1100)


def test_g9_a_clock_set_back_neither_shortens_nor_lengthens_it() -> None:
    """T13."""
    key = record()
    refusals.condemn(key, refusals.judge(key, report(Reason.QUOTA), 1000), 1000)
    key.shift(-3600)

    assert key.rejected(1029 - 3600)
    assert not key.rejected(1030 - 3600)
