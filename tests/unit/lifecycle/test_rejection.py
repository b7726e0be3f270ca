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
    """Well within its cache time, and in the first half of the life that the token had."""
    assert given.is_rejection(ASKER, "t1", 240, 1001)
    assert given.is_rejection(ASKER, "t1", 240, 1234)


@pytest.mark.parametrize("life", [20, 60, 120, 240, 600])
def test_g3_a_rejection_is_seen_for_any_life(life: float) -> None:
    """Also where the token lasts no longer than it is cached; not near its end, where JWTs are read."""
    inference = Inference()
    inference.gave(ASKER, "t1", life, 1000)

    assert inference.is_rejection(ASKER, "t1", 300, 1001)
    assert inference.is_rejection(ASKER, "t1", 3000, 1000 + life / 2 - 1)
    assert not inference.is_rejection(ASKER, "t1", 3000, 1000 + life / 2)


def test_who_was_told_of_a_failure_asks_again_for_that(given: Inference) -> None:
    """A harness repeats a helper that failed within the second."""
    given.failed(ASKER)

    assert not given.is_rejection(ASKER, "t1", 240, 1001)


@pytest.mark.parametrize(
    ("asker", "token", "ttl", "now", "why"),
    [
        (((8, 1), "gateway"), "t1", 240, 1001, "another process"),
        (((9, 77), "other"), "t1", 240, 1001, "another credential"),
        (ASKER, "t2", 240, 1001, "the token has changed meanwhile"),
        (ASKER, "t1", 240, 1235, "its cache time was nearly over"),
        (ASKER, "t1", 240, 999, "the clock went back"),
        (ASKER, "t1", 580, 1301, "a client that reads exp asks again near the end"),
    ],
)
def test_anything_else_is_not(
    given: Inference, asker: object, token: str, ttl: float, now: float, why: str
) -> None:
    """No storm from those who merely ask often."""
    assert not given.is_rejection(asker, token, ttl, now), why  # type: ignore[arg-type]


def answered(*moments: float, token: str = "t1", inference: Inference | None = None) -> Inference:
    """Return one that gave the token at each of these moments."""
    inference = inference or Inference()
    for moment in moments:
        inference.gave(ASKER, token, 3600, moment)
    return inference


def refused_at(inference: Inference, now: float, token: str = "t1") -> bool:
    return inference.is_rejection(ASKER, token, 300, now, settling=12)


def test_an_sdk_settles_before_its_asks_mean_something() -> None:
    """Twelve seconds after its first answer with this token, however often it asked since."""
    inference = answered(1000, 1001, 1005)

    assert not refused_at(inference, 1011.9)
    assert refused_at(inference, 1012)
    # The next token is another one to settle with.
    inference = answered(1020, token="t2", inference=inference)
    assert not refused_at(inference, 1031.9, "t2")
    assert refused_at(inference, 1032, "t2")


def test_an_sdk_with_several_clients_says_nothing_by_asking() -> None:
    """Nobody who was refused asks again at once; who did once has clients that share no answer."""
    inference = answered(1000, 1000.1)
    assert not refused_at(inference, 1020)
    # Nor of the next token.
    inference = answered(1030, token="t2", inference=inference)
    assert not refused_at(inference, 1060, "t2")
    # A program that is run for all of them is not measured by that.
    assert inference.is_rejection(ASKER, "t2", 300, 1060)


def test_eight_sessions_under_one_401_force_one_mint() -> None:
    """Once per token, machine-wide."""
    inference = Inference()

    assert [inference.may_force("gateway", "t1", 3600, 1000 + n) for n in range(8)] == [True] + [
        False
    ] * 7


def test_forced_mints_are_throttled_per_credential() -> None:
    """Two minutes, doubling to ten; another credential is not held back; calm resets."""
    inference = Inference()
    allowed = [t for t in range(3600) if inference.may_force("gateway", f"t{t}", 3600, t)]

    assert allowed[:6] == [0, 120, 360, 840, 1440, 2040]
    assert inference.may_force("other", "x", 3600, 5)
    assert inference.may_force("gateway", "after", 3600, allowed[-1] + 3601)
    assert not inference.may_force("gateway", "after2", 3600, allowed[-1] + 3602)


def test_g3_short_tokens_are_forced_after_half_a_life() -> None:
    """Two minutes would be the whole of a token's life."""
    inference = Inference()
    allowed = [t for t in range(1200) if inference.may_force("gateway", f"t{t}", 120, t)]

    assert allowed[:4] == [0, 60, 180, 420]


def test_a_clock_set_back_neither_frees_nor_freezes_the_throttle(given: Inference) -> None:
    """T13: everything remembered moves along."""
    given.may_force("gateway", "t1", 3600, 1000)
    given.shift(-3600)

    assert given.is_rejection(ASKER, "t1", 240, 1001 - 3600)
    assert not given.may_force("gateway", "t2", 3600, 1119 - 3600)
    assert given.may_force("gateway", "t3", 3600, 1120 - 3600)


def test_memory_is_bounded() -> None:
    """A flood of askers forgets the oldest."""
    inference = Inference()
    for number in range(10_000):
        inference.gave(number, "t", 600, 0)
        inference.may_force(f"c{number}", f"t{number}", 3600, 0)

    assert len(inference._given) == 4096
    assert len(inference._replaced) == 4096
