"""Which keys and grants there are, who waits, and when to look again."""

import pytest

from credward.lifecycle.book import Book, LifecycleError
from credward.lifecycle.records import Current
from credward.lifecycle.vocabulary import Plan, Reason, TokenKey, Verdict

KEY = TokenKey("a", "e")


@pytest.fixture
def book() -> Book:
    book = Book()
    book.plans = {"a": Plan(credential="a", epoch="e", grant="g", idle_after=1000)}
    return book


def test_a_record_is_made_once_and_only_for_what_is_configured(book: Book) -> None:
    """The same key is the same record; another epoch is nobody's."""
    assert book.find_or_make(KEY) is book.find_or_make(KEY)
    with pytest.raises(LifecycleError):
        book.find_or_make(TokenKey("a", "old"))

    assert book.of_credential("a") == {KEY: book.find_or_make(KEY)}
    assert book.on("g") == [book.find_or_make(KEY)]


def test_removing_a_record_tells_who_waited(book: Book) -> None:
    """They have to be answered by whoever removes it."""
    record = book.find_or_make(KEY)
    book.wait(record, 1, 0)
    book.wait(record, 2, 0)

    assert book.remove(record) == [1, 2]
    assert not book.is_waiting(1)
    assert book.of_credential("a") == {}


def test_leaving_twice_is_harmless(book: Book) -> None:
    """A disconnect may come after the answer."""
    book.wait(book.find_or_make(KEY), 1, 0)
    book.stop_waiting(1)
    book.stop_waiting(1)

    assert book.find_or_make(KEY).waiters == {}


def test_only_the_latest_deadline_of_a_record_counts(book: Book) -> None:
    """Older entries on the heap are passed over."""
    record = book.find_or_make(KEY)
    record.current = Current(token_id="t", issued_at=0, expires_at=100, ends_at=100)
    book.schedule(record, 0)
    record.current = Current(token_id="t", issued_at=0, expires_at=50, ends_at=50)
    book.schedule(record, 0)
    record.current = Current(token_id="t", issued_at=0, expires_at=200, ends_at=200)
    book.schedule(record, 0)

    assert book.wake_at() == 200
    assert book.take_due(199) is None
    assert book.take_due(210) == (record, 200)
    assert book.take_due(210) is None


def test_t16_deadlines_that_were_replaced_do_not_pile_up(book: Book) -> None:
    """T16: the heap is swept; what counts is still found."""
    record = book.find_or_make(KEY)
    for end in range(100_000, 0, -1):
        record.current = Current(token_id="t", issued_at=0, expires_at=end, ends_at=end)
        book.schedule(record, 0)

    assert len(book._heap) < 100
    assert book.take_due(1) == (record, 1)
    assert book.wake_at() is None


def test_deadlines_move_with_the_clock(book: Book) -> None:
    """T13: also those in the heap."""
    record = book.find_or_make(KEY)
    record.current = Current(token_id="t", issued_at=0, expires_at=100, ends_at=100)
    book.schedule(record, 0)
    book.shift(-60)

    assert book.wake_at() == 40
    assert book.take_due(40) == (record, 40)


def verdict(token_id: str, until: float | None = None) -> Verdict:
    return Verdict(token_id=token_id, reason=Reason.REVOKED, since=0, until=until)


def test_g9_what_was_reported_of_a_token_is_remembered_until_its_time_is_over(book: Book) -> None:
    """T13, T16: it moves with the clock, and only so much is kept."""
    book.note_verdict("a", verdict("t", until=100))
    assert book.verdict_on("a", "t", 99) is not None
    assert book.verdict_on("a", "t", 100) is None
    assert book.verdict_on("b", "t", 99) is None
    book.shift(-60)
    assert book.verdict_on("a", "t", 39) is not None
    assert book.verdict_on("a", "t", 40) is None
    for number in range(1000):
        book.note_verdict("a", verdict(f"t{number}"))
    assert book.verdict_on("a", "t999", 0) is not None
    assert book.verdict_on("a", "t0", 0) is None
    book.forget_verdicts("a")

    assert book._reported == {}


def test_a_grant_that_nobody_uses_is_forgotten(book: Book) -> None:
    """Also that it was parked."""
    kept, gone = book.grant("g"), book.grant("x")
    book.forget_grants_but({"g"})

    assert book.grant("g") is kept
    assert book.grant("x") is not gone
