"""What status shows."""

import pytest

from credward.errors import Failure, Kind
from credward.lifecycle.book import Book, LifecycleError
from credward.lifecycle.records import Current, KeyRecord
from credward.lifecycle.views import view_of
from credward.lifecycle.vocabulary import Plan, Reason, State, TokenKey, Verdict

DOWN = Failure.of(Kind.PROVIDER_UNREACHABLE, "down")
BROKEN = Failure.of(Kind.FIX_CONFIGURATION, "mend it")
VERDICT = Verdict(token_id="t", reason=Reason.BILLING, since=1, until=51, final=True)
OVER = Verdict(token_id="t", reason=Reason.BILLING, since=1, until=50, final=True)
TOKEN = Current(token_id="t", issued_at=0, expires_at=100, ends_at=100)


@pytest.fixture
def book() -> Book:
    book = Book()
    book.plans = {"a": Plan(credential="a", epoch="e", grant="g")}
    return book


def record(book: Book) -> KeyRecord:
    return book.find_or_make(TokenKey("a", "e"))


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ({}, State.EMPTY),
        ({"flight": 1}, State.MINTING),
        ({"current": TOKEN}, State.FRESH),
        ({"current": TOKEN, "flight": 1}, State.REFRESHING),
        ({"current": TOKEN, "flight": 1, "suspect": "t"}, State.SUSPECT),
        ({"current": TOKEN, "failure": DOWN}, State.STALE),
        ({"failure": DOWN}, State.EMPTY),
        ({"failure": BROKEN}, State.PARKED),
        ({"minted_at": 0.0}, State.EXPIRED),
        ({"verdict": VERDICT, "failure": BROKEN}, State.REJECTED),
        ({"verdict": VERDICT, "flight": 1}, State.MINTING),
        ({"verdict": OVER, "failure": BROKEN}, State.EMPTY),
    ],
)
def test_each_state_has_its_word(book: Book, words: dict[str, object], state: State) -> None:
    """By what is held, what flies and what failed."""
    shown = record(book)
    for name, value in words.items():
        setattr(shown, name, value)

    assert view_of(book, "a", 50).state is state


def test_a_parked_grant_shows_on_every_credential(book: Book) -> None:
    """Also on one that was never asked for."""
    book.grant("g").parked = Failure.of(Kind.LOGIN_REQUIRED, "log in")
    view = view_of(book, "a", 0)

    assert (view.state, view.refresh_at) == (State.PARKED, None)
    assert view.failure is not None
    assert view.failure.kind is Kind.LOGIN_REQUIRED


@pytest.mark.parametrize(
    ("words", "next_mint"),
    [
        ({}, None),
        ({"failure": DOWN, "retry_at": 60.0}, None),
        ({"current": TOKEN, "lives": [100.0], "minted_at": 0.0}, 75),
        ({"current": TOKEN, "lives": [100.0], "minted_at": 0.0, "failure": DOWN, "retry_at": 52.0}, 75),
        ({"current": TOKEN, "lives": [100.0], "minted_at": 0.0, "failure": DOWN, "retry_at": 80.0}, 80),
        ({"current": TOKEN, "lives": [100.0], "minted_at": 0.0, "last_asked_at": None}, None),
        ({"minted_at": 0.0, "failure": DOWN, "retry_at": 60.0}, 60),
        ({"minted_at": 0.0, "failure": BROKEN, "retry_at": 3650.0}, None),
        ({"minted_at": 0.0, "failure": DOWN, "retry_at": 60.0, "last_asked_at": None}, None),
    ],
)  # fmt: skip
def test_g6_the_next_mint_is_the_one_that_comes(
    book: Book, words: dict[str, object], next_mint: float | None
) -> None:
    """G-6: when it is minted though nobody asks; no time where somebody has to ask."""
    shown = record(book)
    shown.last_asked_at = 49.0
    for name, value in words.items():
        setattr(shown, name, value)
    book.schedule(shown, 50)

    assert view_of(book, "a", 50).refresh_at == next_mint
    assert shown.wake_at == (100 if shown.current and next_mint is None else next_mint)


def test_counts_add_up_over_the_keys_of_a_credential(book: Book) -> None:
    """The default key is shown, the others counted."""
    record(book).mints = 2
    book.find_or_make(TokenKey("a", "e", audience="x")).mints = 3

    assert (view_of(book, "a", 0).mints, view_of(book, "a", 0).keys) == (5, 2)


def test_a_credential_that_is_not_configured_has_no_view(book: Book) -> None:
    """Whoever asks should have looked first."""
    with pytest.raises(LifecycleError):
        view_of(book, "b", 0)
