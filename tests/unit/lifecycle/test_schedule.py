"""The arithmetic on times, on plain numbers."""

import math

import pytest

from credward.lifecycle import schedule


def test_one_wish_counts_up_to_half_the_life() -> None:
    """Who asks for an hour of a minute's token does not set the pace."""
    assert schedule.need(3600, 60) == 30
    assert schedule.need(10, 60) == 10
    assert schedule.need(-5, 60) == 0


def test_refresh_is_a_quarter_of_the_life_ahead_or_the_need_and_jitter_only_earlier() -> None:
    """Jitter is a tenth of the life at most."""
    assert schedule.refresh_at(1000, 100, 0, 0) == 975
    assert schedule.refresh_at(1000, 100, 50, 0) == 950
    assert schedule.refresh_at(1000, 100, 0, 0.999) == pytest.approx(965.01)
    assert schedule.refresh_at(math.inf, 100, 0, 0.5) == math.inf


def test_a_token_issued_in_our_future_lasts_no_longer_than_its_life() -> None:
    """T13: a source whose clock is ahead, or ours set back while the mint was out."""
    assert schedule.ends_at(1000, 1600, 1000) == 1600
    assert schedule.ends_at(1000, None, 1000) == math.inf
    assert schedule.ends_at(900, 1600, 1000) == 1600, "an older token of a source that caches"
    assert schedule.ends_at(4600, 5200, 1000) == 1600
    assert schedule.ends_at(9999, 1600, 1000) == 1600, "an absurd beginning says nothing"


def test_the_floor_is_a_tenth_of_the_life_and_30_seconds_at_most() -> None:
    """Never hand out less."""
    assert (schedule.floor(60), schedule.floor(3600)) == (6, 30)


def test_spacing_keeps_short_tokens_from_a_storm() -> None:
    """max(min(5 s, L/2), L/10)."""
    assert [schedule.spacing(life) for life in (4, 20, 100, 3600)] == [2, 5, 10, 360]


def test_no_progress_is_looked_at_later() -> None:
    """max(30 s, remaining/4)."""
    assert (schedule.look_again_in(8), schedule.look_again_in(400)) == (30, 100)


def test_back_off_doubles_to_five_minutes() -> None:
    """Full jitter, never before Retry-After, an absurd one is cut to a day."""
    assert [schedule.backoff(n, None, 1.0) for n in (1, 2, 3, 8, 9, 1000)] == [
        2,
        4,
        8,
        256,
        300,
        300,
    ]
    assert schedule.backoff(1, None, 0.0) == 0.5
    assert schedule.backoff(1, 90.0, 0.0) == 90
    assert schedule.backoff(1, 1e12, 0.0) == 86_400


def test_demand_lasts_two_lives_and_an_hour_at_least() -> None:
    """Or what was configured."""
    assert [schedule.demand_ends_in(None, life) for life in (60, 7200)] == [3600, 14_400]
    assert schedule.demand_ends_in(5, 7200) == 5


def test_forced_mints_are_two_minutes_apart_doubling_to_ten() -> None:
    """Or half a life, where tokens last less than four minutes."""

    def spacings(life: float) -> list[float]:
        return [schedule.forced_spacing(n, life) for n in (1, 2, 3, 4, 99)]

    assert spacings(3600) == spacings(0) == [120, 240, 480, 600, 600]
    assert spacings(120) == [60, 120, 240, 480, 600]


def test_a_token_is_untried_for_half_a_minute() -> None:
    """Or half its life."""
    assert [schedule.untried_for(life) for life in (0, 3600, 20)] == [30, 30, 10]


def test_what_has_a_stand_in_is_left_alone_longer_each_time() -> None:
    """Up to five minutes."""
    assert [schedule.cooldown(n) for n in (1, 2, 3, 4, 99)] == [30, 60, 300, 300, 300]
