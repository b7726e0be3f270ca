"""When an early re-ask means that upstream refused the token, and when it does not."""

import pytest

from credward.lifecycle.rejection import Inference

ASKER = ((9, 77), "gateway")


@pytest.fixture
def given() -> Inference:
    inference = Inference()
    inference.gave(ASKER, "t1", 600, 1000)
    return inference


def test_an_early_re_ask_for_the_same_token_is_a_rejection(given: Inference) -> None:
    """Well within its cache time, of a token that lasted longer than that."""
    assert given.is_rejection(ASKER, "t1", 240, 1001)


@pytest.mark.parametrize(
    ("asker", "token", "ttl", "now", "why"),
    [
        (((8, 1), "gateway"), "t1", 240, 1001, "another process"),
        (((9, 77), "other"), "t1", 240, 1001, "another credential"),
        (ASKER, "t2", 240, 1001, "the token has changed meanwhile"),
        (ASKER, "t1", 240, 1235, "its cache time was nearly over"),
        (ASKER, "t1", 240, 999, "the clock went back"),
        (ASKER, "t1", 580, 1001, "a client that reads exp asks again near the end"),
    ],
)
def test_anything_else_is_not(
    given: Inference, asker: object, token: str, ttl: float, now: float, why: str
) -> None:
    """No storm from those who merely ask often."""
    assert not given.is_rejection(asker, token, ttl, now), why  # type: ignore[arg-type]


def test_eight_sessions_under_one_401_force_one_mint() -> None:
    """Once per token, machine-wide."""
    inference = Inference()

    assert [inference.may_force("gateway", "t1", 1000 + n) for n in range(8)] == [True] + [
        False
    ] * 7


def test_forced_mints_are_throttled_per_credential() -> None:
    """Two minutes, doubling to ten; another credential is not held back; calm resets."""
    inference = Inference()
    allowed = [t for t in range(3600) if inference.may_force("gateway", f"t{t}", t)]

    assert allowed[:6] == [0, 120, 360, 840, 1440, 2040]
    assert inference.may_force("other", "x", 5)
    assert inference.may_force("gateway", "after", allowed[-1] + 3601)
    assert not inference.may_force("gateway", "after2", allowed[-1] + 3602)


def test_a_clock_set_back_neither_frees_nor_freezes_the_throttle(given: Inference) -> None:
    """T13: everything remembered moves along."""
    given.may_force("gateway", "t1", 1000)
    given.shift(-3600)

    assert given.is_rejection(ASKER, "t1", 240, 1001 - 3600)
    assert not given.may_force("gateway", "t2", 1119 - 3600)
    assert given.may_force("gateway", "t3", 1120 - 3600)


def test_memory_is_bounded() -> None:
    """A flood of askers forgets the oldest."""
    inference = Inference()
    for number in range(10_000):
        inference.gave(number, "t", 600, 0)
        inference.may_force(f"c{number}", f"t{number}", 0)

    assert len(inference._given) == 4096
    assert len(inference._replaced) == 4096
