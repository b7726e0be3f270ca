"""How long a key that failed is left alone, and what whoever asks meanwhile is told."""

from __future__ import annotations

import pytest

from credward.errors import Failure, Kind
from credward.lifecycle.pauses import Pauses
from credward.lifecycle.records import KeyRecord
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
    ("failure", "told", "probed"),
    [(DOWN, 2, 5), (LATER, 90, 90), (BROKEN, 3600, None), (MISSING, 5, 5)],
)
def test_g5_who_asks_is_told_when_it_is_worth_while(
    pauses: Pauses, failure: Failure, told: float, probed: float | None
) -> None:
    """At the end of the pause, or when a probe may go; never before what the server asked for."""
    key = record("a")
    pauses.failed(key, failure, 1.0, 100)
    standing = pauses.standing(key, 100)

    assert standing is not None
    assert standing.retry_after == told
    assert not pauses.probe(key, 100 + (probed or 3599) - 1)
    assert pauses.probe(key, 100 + (probed or 3600)) is (probed is not None)


def test_g5_credentials_of_one_server_share_its_probe(pauses: Pauses) -> None:
    """Until it answers one of them; another server is another matter, and so is a missing file."""
    one, other, elsewhere = record("one"), record("other"), record("third", "elsewhere")
    missing = record("fourth")
    for each in (one, other, elsewhere):
        pauses.failed(each, DOWN, 1.0, 100)
    pauses.failed(missing, MISSING, 1.0, 100)

    assert pauses.probe(one, 105)
    assert not pauses.probe(other, 109)
    assert pauses.probe(elsewhere, 105)
    assert pauses.probe(missing, 105)
    pauses.answered(one)
    assert pauses.probe(other, 109)


def test_a_clock_set_back_moves_the_probes_along(pauses: Pauses) -> None:
    """T13: neither a storm nor a standstill."""
    key = record("a")
    pauses.failed(key, DOWN, 1.0, 100)
    pauses.shift(-3600)
    key.shift(-3600)

    assert not pauses.probe(key, 104 - 3600)
    assert pauses.probe(key, 105 - 3600)


def test_what_is_not_configured_any_more_is_forgotten(pauses: Pauses) -> None:
    """T16: nothing grows with each reload."""
    for number in range(100):
        pauses.failed(record(f"a{number}", f"server{number}"), DOWN, 1.0, 100)
        pauses.failed(record(f"b{number}"), MISSING, 1.0, 100)
    pauses.keep_only({"server7"}, {"b7"})

    assert set(pauses._quiet_until) == {"server7", ("local", "b7")}
