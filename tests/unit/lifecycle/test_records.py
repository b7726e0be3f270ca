"""Which keys and grants there are, who waits, and when to look again."""

import pytest

from credward.lifecycle.record import Current
from credward.lifecycle.records import LifecycleError, Records
from credward.lifecycle.vocabulary import Plan, Reason, TokenKey, Verdict

KEY = TokenKey("a", "e")


@pytest.fixture
def records() -> Records:
    records = Records()
    records.plans = {"a": Plan(credential="a", epoch="e", grant="g", idle_after=1000)}
    return records


def test_a_record_is_made_once_and_only_for_what_is_configured(records: Records) -> None:
    """The same key is the same record; another epoch is nobody's."""
    assert records.find_or_make(KEY) is records.find_or_make(KEY)
    with pytest.raises(LifecycleError):
        records.find_or_make(TokenKey("a", "old"))

    assert records.of_credential("a") == {KEY: records.find_or_make(KEY)}
    assert records.on("g") == [records.find_or_make(KEY)]


def test_removing_a_record_tells_who_waited(records: Records) -> None:
    """They have to be answered by whoever removes it."""
    record = records.find_or_make(KEY)
    records.wait(record, 1, 0)
    records.wait(record, 2, 0)

    assert records.remove(record) == [1, 2]
    assert not records.is_waiting(1)
    assert records.of_credential("a") == {}


def test_leaving_twice_is_harmless(records: Records) -> None:
    """A disconnect may come after the answer."""
    records.wait(records.find_or_make(KEY), 1, 0)
    records.stop_waiting(1)
    records.stop_waiting(1)

    assert records.find_or_make(KEY).waiters == {}


def test_only_the_latest_deadline_of_a_record_counts(records: Records) -> None:
    """Older entries on the heap are passed over."""
    record = records.find_or_make(KEY)
    record.current = Current(token_id="t", issued_at=0, expires_at=100, ends_at=100, since=0)
    records.schedule(record, 0)
    record.current = Current(token_id="t", issued_at=0, expires_at=50, ends_at=50, since=0)
    records.schedule(record, 0)
    record.current = Current(token_id="t", issued_at=0, expires_at=200, ends_at=200, since=0)
    records.schedule(record, 0)

    assert records.wake_at() == 200
    assert records.take_due(199) is None
    assert records.take_due(210) == (record, 200)
    assert records.take_due(210) is None


def test_t16_deadlines_that_were_replaced_do_not_pile_up(records: Records) -> None:
    """T16: the heap is swept; what counts is still found."""
    record = records.find_or_make(KEY)
    for end in range(100_000, 0, -1):
        record.current = Current(token_id="t", issued_at=0, expires_at=end, ends_at=end, since=0)
        records.schedule(record, 0)

    assert len(records._heap) < 100
    assert records.take_due(1) == (record, 1)
    assert records.wake_at() is None


def test_deadlines_move_with_the_clock(records: Records) -> None:
    """T13: also those in the heap."""
    record = records.find_or_make(KEY)
    record.current = Current(token_id="t", issued_at=0, expires_at=100, ends_at=100, since=0)
    records.schedule(record, 0)
    records.shift(-60)

    assert records.wake_at() == 40
    assert records.take_due(40) == (record, 40)


def verdict(token_id: str, until: float | None = None) -> Verdict:
    return Verdict(token_id=token_id, reason=Reason.REVOKED, since=0, until=until)


def test_g9_what_was_reported_of_a_token_is_remembered_until_its_time_is_over(
    records: Records,
) -> None:
    """T13, T16: it moves with the clock, and only so much is kept."""
    records.note_verdict("a", verdict("t", until=100))
    assert records.verdict_on("a", "t", 99) is not None
    assert records.verdict_on("a", "t", 100) is None
    assert records.verdict_on("b", "t", 99) is None
    records.shift(-60)
    assert records.verdict_on("a", "t", 39) is not None
    assert records.verdict_on("a", "t", 40) is None
    for number in range(1000):
        records.note_verdict("a", verdict(f"t{number}"))
    assert records.verdict_on("a", "t999", 0) is not None
    assert records.verdict_on("a", "t0", 0) is None
    records.forget_verdicts("a")

    assert records._reported == {}


def test_a_grant_that_nobody_uses_is_forgotten(records: Records) -> None:
    """Also that it was parked."""
    kept, gone = records.grant("g"), records.grant("x")
    records.forget_grants_but({"g"})

    assert records.grant("g") is kept
    assert records.grant("x") is not gone
