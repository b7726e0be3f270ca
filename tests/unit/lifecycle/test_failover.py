"""Which entry is asked, which is left alone and for how long, and who stays with whom."""

import math

import pytest

from credward.errors import Failure, Kind
from credward.lifecycle.failover import Failover, WindowState, fails_over

CHAIN = ["a", "b", "c"]
DOWN = Failure.of(Kind.PROVIDER_UNREACHABLE, "down")
LOGIN = Failure.of(Kind.LOGIN_REQUIRED, "log in")
BROKEN = Failure.of(Kind.FIX_CONFIGURATION, "mend it")


@pytest.fixture
def failover() -> Failover[str]:
    return Failover()


def remaining(failover: Failover[str], now: float, entry: str = "a") -> float | None:
    window = failover.window(entry, now)
    return None if window is None else window.remaining(now)


def test_without_failures_the_order_is_the_configured_one(failover: Failover[str]) -> None:
    """And nothing is left alone."""
    assert failover.order(CHAIN, None, 0) == CHAIN
    assert failover.window("a", 0) is None


def test_a_transient_failure_opens_a_cooldown_of_30_60_and_300_seconds(
    failover: Failover[str],
) -> None:
    """One after the other as long as nothing succeeds; five minutes is the cap."""
    now, lengths = 0.0, []
    for _ in range(5):
        failover.failed("a", DOWN, now)
        lengths.append(remaining(failover, now))
        now += lengths[-1] or 0.0
        assert failover.window("a", now) is None

    assert lengths == [30, 60, 300, 300, 300]


def test_an_open_window_is_not_extended_by_more_failures(failover: Failover[str]) -> None:
    """A thousand waiters of one flight are one failure, and a late one changes nothing."""
    for second in range(30):
        failover.failed("a", DOWN, second)
        failover.failed("a", LOGIN, second)

    assert remaining(failover, 29.5) == 0.5
    failover.failed("a", DOWN, 30)
    assert remaining(failover, 30) == 60


def test_success_closes_the_window_and_counts_from_the_beginning(failover: Failover[str]) -> None:
    """Also one that came by another way, such as a refresh in the background."""
    failover.failed("a", DOWN, 0)
    failover.failed("a", DOWN, 30)
    failover.succeeded("a")
    assert failover.window("a", 31) is None

    failover.failed("a", DOWN, 31)
    assert remaining(failover, 31) == 30


def test_the_source_has_a_say_in_the_length(failover: Failover[str]) -> None:
    """Retry-After is never undercut; an absurd one is cut to a day."""
    failover.failed("a", Failure.of(Kind.RATE_LIMITED, "slow", retry_after=120), 0)
    failover.failed("b", Failure.of(Kind.RATE_LIMITED, "slow", retry_after=1e12), 0)

    assert remaining(failover, 0) == 120
    assert remaining(failover, 0, "b") == 86_400


def test_a_parked_entry_is_disabled_until_it_is_cleared(failover: Failover[str]) -> None:
    """A login has no deadline; a broken configuration is tried every hour."""
    failover.failed("a", LOGIN, 0)
    failover.failed("b", BROKEN, 0)
    window = failover.window("a", 1e9)

    assert window is not None
    assert (window.state, window.until) == (WindowState.DISABLED, math.inf)
    assert window.failure is LOGIN
    assert remaining(failover, 0, "b") == 3600
    failover.succeeded("a")
    assert failover.window("a", 1) is None


def test_what_is_left_alone_is_not_asked(failover: Failover[str]) -> None:
    """The others keep their order."""
    failover.failed("a", DOWN, 0)
    assert failover.order(CHAIN, None, 1) == ["b", "c"]
    failover.failed("b", LOGIN, 1)
    assert failover.order(CHAIN, None, 2) == ["c"]

    assert failover.order(CHAIN, None, 31) == ["a", "c"]


def test_where_none_is_usable_time_may_have_healed_one_already(failover: Failover[str]) -> None:
    """Cooling ones are tried anyway; where all need somebody, the first one says so."""
    failover.failed("a", LOGIN, 0)
    failover.failed("b", DOWN, 0)
    failover.failed("c", DOWN, 0)
    assert failover.order(CHAIN, None, 1) == ["b", "c"]
    failover.succeeded("b")
    failover.succeeded("c")
    failover.failed("b", LOGIN, 2)
    failover.failed("c", BROKEN, 2)

    assert failover.order(CHAIN, None, 3) == ["a"]


def test_a_session_stays_with_the_entry_that_served_it(failover: Failover[str]) -> None:
    """Also when the first one is well again; others go back to that one."""
    failover.failed("a", DOWN, 0)
    failover.served(CHAIN, "b", "session")

    assert failover.order(CHAIN, "session", 1000) == ["b", "a", "c"]
    assert failover.serving(CHAIN, "session") == "b"
    assert failover.order(CHAIN, "another", 1000) == CHAIN
    assert failover.order(CHAIN, None, 1000) == CHAIN


def test_a_session_moves_on_when_its_entry_fails(failover: Failover[str]) -> None:
    """Back to the beginning of the chain, and stays with whoever serves it then."""
    failover.served(CHAIN, "b", "session")
    failover.failed("b", DOWN, 0)
    assert failover.order(CHAIN, "session", 1) == ["a", "c"]
    failover.served(CHAIN, "a", "session")

    assert failover.order(CHAIN, "session", 1000) == CHAIN


def test_a_chain_that_changed_is_followed(failover: Failover[str]) -> None:
    """A reload took the entry out that a session stayed with, and windows of what is gone."""
    failover.served(CHAIN, "b", "session")
    failover.failed("b", LOGIN, 0)
    failover.failed("c", DOWN, 0)
    failover.keep_only(["a", "c"])

    assert failover.order(["a", "c"], "session", 1) == ["a"]
    assert failover.window("b", 1) is None
    assert failover.window("c", 1) is not None


@pytest.mark.parametrize("back", [10.0, 3600.0, 86_400.0])
def test_t13_a_clock_set_back_lengthens_no_window(failover: Failover[str], back: float) -> None:
    """T13: no standstill: at most the window's own length is left."""
    failover.failed("a", DOWN, 0)

    assert remaining(failover, 5 - back) == 30
    assert failover.window("a", 35.1 - back) is None


def test_t13_a_clock_set_ahead_closes_windows(failover: Failover[str]) -> None:
    """T13: the next ask tries again, which costs one call."""
    failover.failed("a", DOWN, 0)

    assert failover.order(CHAIN, None, 86_400) == CHAIN


def test_t16_sessions_are_bounded(failover: Failover[str]) -> None:
    """T16: the ones that asked longest ago are forgotten."""
    for number in range(10_000):
        failover.served(CHAIN, "b", number)

    assert len(failover._sessions) == 4096
    assert failover.serving(CHAIN, 9_999) == "b"
    assert failover.serving(CHAIN, 1) == "a"


@pytest.mark.parametrize(
    ("kind", "helps"),
    [
        (Kind.PROVIDER_UNREACHABLE, True),
        (Kind.PROVIDER_REFUSED, True),
        (Kind.LOGIN_REQUIRED, True),
        (Kind.FIX_CONFIGURATION, True),
        (Kind.STORE_LOCKED, True),
        (Kind.DENIED, False),
        (Kind.BAD_REQUEST, False),
        (Kind.APPROVAL_REQUIRED, False),
        (Kind.RECURSION, False),
    ],
)
def test_another_entry_helps_where_the_ask_was_right(
    failover: Failover[str], kind: Kind, helps: bool
) -> None:
    """A no of ours is no reason to look elsewhere, and opens no window."""
    failure = Failure.of(kind, "no")
    failover.failed("a", failure, 0)

    assert fails_over(failure) is helps
    assert (failover.window("a", 1) is not None) is helps
