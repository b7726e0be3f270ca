"""How long a key that failed is left alone, and what whoever asks meanwhile is told."""

from __future__ import annotations

import pytest

from credward.errors import Failure, Kind
from credward.lifecycle.pauses import Pauses
from credward.lifecycle.record import KeyRecord
from credward.lifecycle.vocabulary import Plan, TokenKey

DOWN = Failure.of(Kind.PROVIDER_UNREACHABLE, "down")
LATER = Failure.of(Kind.RATE_LIMITED, "slow down", retry_after=90)
BROKEN = Failure.of(Kind.FIX_CONFIGURATION, "mend it")
MISSING = Failure.of(Kind.FIX_CONFIGURATION, "put it there", local=True)


def record(name: str, upstream: str = "server") -> KeyRecord:
    plan = Plan(credential=name, epoch="e", grant=name, upstream=upstream)
    return KeyRecord(key=TokenKey(name, "e"), plan=plan, flight_at=100)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.mark.parametrize(
    ("failure", "told"), [(DOWN, 5), (LATER, 90), (BROKEN, 3600), (MISSING, 5)]
)
def test_g5_who_asks_is_told_when_it_is_worth_while(
    pauses: Pauses, failure: Failure, told: float
) -> None:
    """When it is tried for all who ask; never before what the server asked for."""
    key = record("a")
    pauses.failed(key, failure, 1.0, 100)
    standing = pauses.standing(key, 100)

    assert standing is not None
    assert standing.retry_after == told
    assert pauses.standing(key, 99 + told) is not None
    assert pauses.standing(key, 100 + told) is None


def test_g5_credentials_of_one_server_share_its_probe(pauses: Pauses) -> None:
    """Until it answers one of them; another server is another matter, and so is a missing file."""
    one, other, elsewhere = record("one"), record("other"), record("third", "elsewhere")
    missing = record("fourth")
    for each in (one, other, elsewhere):
        pauses.failed(each, DOWN, 1.0, 100)
    pauses.failed(missing, MISSING, 1.0, 100)
    assert pauses.standing(one, 105) is None
    pauses.tried(one, 105)

    assert pauses.standing(other, 109) is not None, "although its own pause is over"
    assert pauses.standing(elsewhere, 105) is None
    assert pauses.standing(missing, 105) is None
    pauses.answered(one)
    assert pauses.standing(other, 109) is None
    # The server is well again: nobody has to wait for anybody.
    pauses.tried(other, 109)
    assert pauses.standing(one, 109) is None


def test_g5_whoever_asks_has_its_turn_though_others_are_always_earlier(pauses: Pauses) -> None:
    """What fails may be only theirs: half a minute after its own pause it is tried."""
    loud, late = record("loud"), record("late")
    pauses.failed(late, DOWN, 1.0, 100)
    turn = late.retry_at + 30
    at = 100.0
    while at < turn:
        pauses.failed(loud, DOWN, 1.0, at)
        standing = pauses.standing(late, at + 1)
        assert standing is not None
        assert standing.retry_after == min(at + 5, turn) - (at + 1)
        at += 5

    assert pauses.standing(late, turn) is None


def test_g5_a_refusal_is_no_sign_of_a_server_that_fails(pauses: Pauses) -> None:
    """It answered: whoever else asks it is not held up."""
    one, other = record("one"), record("other")
    pauses.failed(other, DOWN, 1.0, 100)
    pauses.failed(one, BROKEN, 1.0, 104)

    assert pauses.standing(other, 105) is None


def test_a_clock_set_back_moves_the_probes_along(pauses: Pauses) -> None:
    """T13: neither a storm nor a standstill."""
    key = record("a")
    pauses.failed(key, DOWN, 1.0, 100)
    pauses.shift(-3600)
    key.shift(-3600)

    assert pauses.standing(key, 104 - 3600) is not None
    assert pauses.standing(key, 105 - 3600) is None


def test_what_is_not_configured_any_more_is_forgotten(pauses: Pauses) -> None:
    """T16: nothing grows with each reload."""
    for number in range(100):
        pauses.failed(record(f"a{number}", f"server{number}"), DOWN, 1.0, 100)
        pauses.failed(record(f"b{number}"), MISSING, 1.0, 100)
    pauses.keep_only({"server7"}, {"b7"})

    assert set(pauses._quiet_until) == {"server7", ("local", "b7")}
