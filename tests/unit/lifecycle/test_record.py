"""What the machine remembers."""

import math

from credward.lifecycle.record import Current, KeyRecord, Needs
from credward.lifecycle.vocabulary import Plan, TokenKey


def record(**words: object) -> KeyRecord:
    return KeyRecord(
        key=TokenKey("a", "e"), plan=Plan(credential="a", epoch="e", grant="a"), **words
    )  # type: ignore[arg-type]


def test_the_largest_wish_of_late_counts_and_is_forgotten() -> None:
    """A sliding maximum."""
    needs = Needs()
    assert needs.add(0, 50)
    assert not needs.add(10, 20)
    assert needs.largest(0) == 50

    assert needs.largest(5) == 20
    assert needs.largest(11) == 0


def test_equal_wishes_do_not_pile_up() -> None:
    """A thousand status lines take no memory."""
    needs = Needs()
    for second in range(1000):
        needs.add(second, 30)

    assert len(needs.entries) == 1


def test_ever_smaller_wishes_do_not_pile_up() -> None:
    """T16: a caller that counts down second by second takes no memory either."""
    needs = Needs()
    for second in range(10_000):
        needs.add(second, 20_000 - second)

    assert len(needs.entries) == 64
    assert needs.largest(9_999) >= 10_001


def test_everything_remembered_moves_with_the_clock() -> None:
    """T13: what was past stays past, what is to wait waits as long; what the source said stays."""
    key = record(current=Current(token_id="t", issued_at=0, expires_at=100, ends_at=100, since=0))
    key.last_asked_at = key.minted_at = key.wake_at = 10
    key.retry_at = 20
    key.needs.add(10, 50)
    key.shift(-10)

    assert (key.last_asked_at, key.minted_at, key.wake_at, key.retry_at) == (0, 0, 0, 10)
    assert key.look_again_at == -math.inf
    assert key.needs.largest(0) == 50
    assert key.current == Current(token_id="t", issued_at=0, expires_at=100, ends_at=90, since=-10)


def test_the_life_is_the_longest_of_the_last_eight() -> None:
    """A source that shortens its tokens is believed after a while."""
    key = record()
    for life in (100, *[50] * 8):
        key.lived(life)

    assert key.life == 50


def test_usable_means_above_the_floor() -> None:
    """And there is a token at all."""
    key = record(current=Current(token_id="t", issued_at=0, expires_at=100, ends_at=100, since=0))
    key.lived(100)

    assert key.usable(90)
    assert not key.usable(90.1)
    assert not record().usable(0)


def test_demand_ends(tmp_path: object) -> None:
    """Never asked: not wanted; asked: for as long as idle_after says."""
    del tmp_path
    key = record()
    assert not key.wanted(0)
    key.last_asked_at = 0

    assert key.wanted(3600)
    assert not key.wanted(3601)
