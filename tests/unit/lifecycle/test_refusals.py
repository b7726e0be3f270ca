"""What a report makes of a token; what follows for whoever asks is test_machine."""

from __future__ import annotations

import pytest

from credward.errors import Kind, Recovery
from credward.lifecycle import refusals
from credward.lifecycle.records import KeyRecord
from credward.lifecycle.vocabulary import Plan, Reason, Rejected, TokenKey, Verdict

REMEDY = "run credward secret set team-key"


def record(**words: object) -> KeyRecord:
    plan = Plan(credential="a", epoch="e", grant="a", remedy=REMEDY)
    return KeyRecord(key=TokenKey("a", "e"), plan=plan, **words)  # type: ignore[arg-type]


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
    ("minted_at", "replacement", "final"),
    [(990.0, True, True), (990.0, False, False), (960.0, True, False)],
)
def test_g11_only_a_fresh_token_that_was_minted_for_a_report_was_no_help(
    minted_at: float, replacement: bool, final: bool
) -> None:
    """One that was good for a while is replaced again at once."""
    key = record(minted_at=minted_at, replacement=replacement)
    key.lives.append(3600)

    assert refusals.judge(key, report(), 1000).final is final


def test_g9_the_same_token_again_is_a_verdict_on_the_key() -> None:
    """For good, or for half a life where the source will give another one some day."""
    key = record(refusals=1)
    key.lives.append(100)
    key.verdict = refusals.judge(key, report(), 1000)
    assert refusals.repeated(key, "another", ends=False, now=1001) is None
    for ends, until in ((False, None), (True, 1051)):
        verdict = refusals.repeated(key, "t", ends=ends, now=1001)
        assert verdict is not None
        assert (verdict.final, verdict.since, verdict.until) == (True, 1000, until)
    key.verdict = refusals.judge(key, report(Reason.QUOTA), 1000)
    assert refusals.repeated(key, "another", ends=False, now=1001) == key.verdict
    assert refusals.repeated(key, "another", ends=False, now=1060) is None
    key.verdict = refusals.judge(key, report(until=1500), 1000)

    assert refusals.repeated(key, "t", ends=False, now=1499) is not None
    assert refusals.repeated(key, "t", ends=False, now=1500) is None, "its time is over"


@pytest.mark.parametrize(
    ("reason", "recovery", "words"),
    [
        (Reason.UNAUTHORIZED, Recovery.FIX_CONFIGURATION, f"(unauthorized): {REMEDY}"),
        (Reason.REVOKED, Recovery.FIX_CONFIGURATION, f"(revoked): {REMEDY}"),
        (Reason.QUOTA, Recovery.RETRY, "no quota left: retrying by itself"),
        (Reason.BILLING, Recovery.FIX_CONFIGURATION, "then run credward refresh a"),
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
