"""What status shows."""

import pytest

from credward.errors import Failure, Kind
from credward.lifecycle.record import Current, KeyRecord
from credward.lifecycle.records import LifecycleError, Records
from credward.lifecycle.views import view_of
from credward.lifecycle.vocabulary import Plan, Reason, State, TokenKey, Verdict

DOWN = Failure.of(Kind.PROVIDER_UNREACHABLE, "down")
BROKEN = Failure.of(Kind.FIX_CONFIGURATION, "mend it")
VERDICT = Verdict(token_id="t", reason=Reason.BILLING, since=1, until=51, final=True)
OVER = Verdict(token_id="t", reason=Reason.BILLING, since=1, until=50, final=True)
TOKEN = Current(token_id="t", issued_at=0, expires_at=100, ends_at=100, since=0)


@pytest.fixture
def records() -> Records:
    records = Records()
    records.plans = {"a": Plan(credential="a", epoch="e", grant="g")}
    return records


def record(records: Records) -> KeyRecord:
    return records.find_or_make(TokenKey("a", "e"))


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
def test_each_state_has_its_word(records: Records, words: dict[str, object], state: State) -> None:
    """By what is held, what flies and what failed."""
    shown = record(records)
    for name, value in words.items():
        setattr(shown, name, value)

    assert view_of(records, "a", 50).state is state


def test_a_parked_grant_shows_on_every_credential(records: Records) -> None:
    """Also on one that was never asked for."""
    records.grant("g").parked = Failure.of(Kind.LOGIN_REQUIRED, "log in")
    view = view_of(records, "a", 0)

    assert (view.state, view.refresh_at) == (State.PARKED, None)
    assert view.failure is not None
    assert view.failure.kind is Kind.LOGIN_REQUIRED


@pytest.mark.parametrize(
    ("words", "next_mint"),
    [
        ({}, None),
        ({"failure": DOWN, "retry_at": 60.0}, None),
        ({"current": TOKEN, "life": 100.0, "minted_at": 0.0}, 75),
        ({"current": TOKEN, "life": 100.0, "minted_at": 0.0, "failure": DOWN, "retry_at": 52.0}, 75),
        ({"current": TOKEN, "life": 100.0, "minted_at": 0.0, "failure": DOWN, "retry_at": 80.0}, 80),
        ({"current": TOKEN, "life": 100.0, "minted_at": 0.0, "last_asked_at": None}, None),
        ({"minted_at": 0.0, "failure": DOWN, "retry_at": 60.0}, 60),
        ({"minted_at": 0.0, "failure": BROKEN, "retry_at": 3650.0}, None),
        ({"minted_at": 0.0, "failure": DOWN, "retry_at": 60.0, "last_asked_at": None}, None),
    ],
)  # fmt: skip
def test_g6_the_next_mint_is_the_one_that_comes(
    records: Records, words: dict[str, object], next_mint: float | None
) -> None:
    """G-6: when it is minted though nobody asks; no time where somebody has to ask."""
    shown = record(records)
    shown.last_asked_at = 49.0
    for name, value in words.items():
        setattr(shown, name, value)
    records.schedule(shown, 50)

    assert view_of(records, "a", 50).refresh_at == next_mint
    assert shown.wake_at == (100 if shown.current and next_mint is None else next_mint)


def test_counts_add_up_over_the_keys_of_a_credential(records: Records) -> None:
    """The default key is shown, the others counted."""
    record(records).mints = 2
    records.find_or_make(TokenKey("a", "e", audience="x")).mints = 3

    assert (view_of(records, "a", 0).mints, view_of(records, "a", 0).keys) == (5, 2)


def test_a_credential_that_is_not_configured_has_no_view(records: Records) -> None:
    """Whoever asks should have looked first."""
    with pytest.raises(LifecycleError):
        view_of(records, "b", 0)
