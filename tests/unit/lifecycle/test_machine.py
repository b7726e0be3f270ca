"""One plain test for each row of the transition table, and the cases that span rows."""

import math
import random
import re
from collections.abc import Iterable

import pytest

from credward.errors import Failure, Kind, Recovery
from credward.lifecycle import machine
from credward.lifecycle.machine import Lifecycle, LifecycleError, TooManyKeysError
from credward.lifecycle.vocabulary import (
    Asked,
    Command,
    Configured,
    Drop,
    Fail,
    Forced,
    GrantCleared,
    GrantParked,
    Minted,
    MintFailed,
    Park,
    Plan,
    Rejected,
    Restored,
    Serve,
    StartMint,
    State,
    TokenKey,
    WaiterLeft,
    Woke,
)

NOW = 1_800_000_000.0
KEY = TokenKey("a", "e")
DOWN = Failure.of(Kind.PROVIDER_UNREACHABLE, "down")
LOGIN = Failure.of(Kind.LOGIN_REQUIRED, "log in")
BROKEN = Failure.of(Kind.FIX_CONFIGURATION, "mend it")


class Bench:
    """A lifecycle with one credential, and short words for what happens to it."""

    def __init__(self, *plans: Plan) -> None:
        self.machine = Lifecycle()
        self.waiter = 0
        self.flights: dict[TokenKey, int] = {}
        plans = plans or (Plan(credential="a", epoch="e", grant="a"),)
        self.machine.handle(Configured(plans=plans), NOW)

    def handle(self, event: object, at: float) -> list[Command]:
        commands = self.machine.handle(event, NOW + at)  # type: ignore[arg-type]
        for command in commands:
            if isinstance(command, StartMint):
                self.flights[command.key] = command.flight
        return commands

    def ask(self, at: float = 0, key: TokenKey = KEY, **words: object) -> list[Command]:
        self.waiter += 1
        return self.handle(Asked(key=key, waiter=self.waiter, **words), at)  # type: ignore[arg-type]

    def mint(
        self,
        at: float,
        life: float | None = 100,
        token: str = "t1",
        key: TokenKey = KEY,
        jitter: float = 0,
    ) -> list[Command]:
        ends = None if life is None else NOW + at + life
        return self.handle(
            Minted(
                key=key,
                flight=self.flights[key],
                token_id=token,
                issued_at=NOW + at,
                expires_at=ends,
                jitter=jitter,
            ),
            at,
        )

    def fail(self, at: float, failure: Failure = DOWN, jitter: float = 0.99) -> list[Command]:
        return self.handle(
            MintFailed(key=KEY, flight=self.flights[KEY], failure=failure, jitter=jitter), at
        )

    def wake(self, at: float) -> list[Command]:
        return self.handle(Woke(), at)

    def state(self, at: float) -> State:
        return self.machine.view("a", NOW + at).state

    def due(self) -> float:
        found = self.machine.wake_at()
        assert found is not None
        return found - NOW


def kinds(commands: Iterable[Command]) -> list[str]:
    return [type(command).__name__ for command in commands]


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def fresh(bench: Bench) -> Bench:
    bench.ask(0)
    bench.mint(0)
    return bench


def test_row_01_the_first_ask_starts_a_mint(bench: Bench) -> None:
    """EMPTY, asked: MINTING."""
    assert kinds(bench.ask(0)) == ["StartMint"]
    assert bench.state(0) is State.MINTING


def test_row_02_later_askers_wait_for_the_same_flight(bench: Bench) -> None:
    """MINTING, asked: nothing more goes out."""
    bench.ask(0)

    assert bench.ask(1) == []


def test_row_03_the_mint_serves_all_who_waited(bench: Bench) -> None:
    """MINTING, minted: FRESH."""
    bench.ask(0)
    bench.ask(0)

    assert bench.mint(1) == [Serve(1, KEY, "t1"), Serve(2, KEY, "t1")]
    assert bench.state(1) is State.FRESH


def test_row_04_a_failed_first_mint_fails_all_who_waited_once(bench: Bench) -> None:
    """MINTING, failed: EMPTY again."""
    bench.ask(0)
    bench.ask(0)

    assert bench.fail(1) == [Fail(1, DOWN), Fail(2, DOWN)]
    assert bench.state(1) is State.EMPTY


def test_row_05_during_back_off_an_ask_fails_at_once(bench: Bench) -> None:
    """EMPTY with a failure: no call upstream, and when to come back."""
    bench.ask(0)
    bench.fail(1)
    (command,) = bench.ask(2)

    assert isinstance(command, Fail)
    assert command.failure.retry_after == pytest.approx(0.98, abs=0.01)


def test_row_06_a_fresh_token_is_served(fresh: Bench) -> None:
    """FRESH, asked: no call upstream."""
    assert fresh.ask(10) == [Serve(2, KEY, "t1")]


def test_row_07_a_token_in_demand_is_refreshed_ahead(fresh: Bench) -> None:
    """FRESH at its refresh time: a quarter of the life before the end."""
    assert fresh.due() == 75
    assert kinds(fresh.wake(75)) == ["StartMint"]
    assert fresh.state(75) is State.REFRESHING


def test_row_08_without_demand_refreshing_lapses() -> None:
    """FRESH, but nobody has asked for longer than idle_after."""
    bench = Bench(Plan(credential="a", epoch="e", grant="a", idle_after=10))
    bench.ask(0)
    bench.mint(0)

    assert bench.wake(75) == []
    assert bench.state(75) is State.FRESH
    assert kinds(bench.wake(100)) == ["Drop"]


def test_row_09_a_wish_for_more_than_is_left_waits_for_a_mint(fresh: Bench) -> None:
    """FRESH with less than half its life: minting anew gives more."""
    assert kinds(fresh.ask(60, min_remaining=500)) == ["StartMint"]
    assert fresh.mint(61, token="t2")[-1] == Serve(2, KEY, "t2", short=True)


def test_row_10_while_refreshing_the_valid_token_is_served(fresh: Bench) -> None:
    """REFRESHING, asked: nobody waits."""
    fresh.wake(75)

    assert fresh.ask(76) == [Serve(2, KEY, "t1")]


def test_row_11_the_new_token_replaces_the_old(fresh: Bench) -> None:
    """REFRESHING, minted: FRESH; the old one is dropped."""
    fresh.wake(75)

    assert fresh.mint(76, token="t2") == [Drop(KEY, "t1")]
    assert fresh.ask(77) == [Serve(2, KEY, "t2")]


def test_row_12_a_source_that_gives_back_its_cache_is_not_asked_again_soon(fresh: Bench) -> None:
    """REFRESHING, minted without a later end: kept, and looked at again later."""
    fresh.wake(75)
    commands = fresh.mint(75, life=25, token="t1b")

    assert commands == [Drop(KEY, "t1b")]
    assert fresh.state(76) is State.FRESH
    assert fresh.due() >= 100


def test_row_13_a_failed_refresh_serves_who_waited_flagged_short(fresh: Bench) -> None:
    """REFRESHING, failed: STALE; the valid token goes out."""
    fresh.ask(60, min_remaining=500)

    assert fresh.fail(61) == [Serve(2, KEY, "t1", short=True)]
    assert fresh.state(61) is State.STALE


def test_row_14_a_stale_token_is_served(fresh: Bench) -> None:
    """STALE, asked."""
    fresh.wake(75)
    fresh.fail(76)

    assert fresh.ask(77) == [Serve(2, KEY, "t1")]


def test_row_15_after_back_off_it_is_tried_again(fresh: Bench) -> None:
    """STALE, woke: REFRESHING."""
    fresh.wake(75)
    fresh.fail(76)

    assert 76.5 <= fresh.due() <= 78
    assert kinds(fresh.wake(fresh.due())) == ["StartMint"]


def test_row_16_past_its_end_the_token_is_dropped(fresh: Bench) -> None:
    """STALE at the end: EXPIRED."""
    fresh.wake(75)
    fresh.fail(99.9, Failure.of(Kind.PROVIDER_UNREACHABLE, "down", retry_after=60))

    assert fresh.wake(100) == [Drop(KEY, "t1")]
    assert fresh.state(101) is State.EXPIRED


def test_row_17_an_expired_key_is_minted_on_the_next_ask(fresh: Bench) -> None:
    """EXPIRED, asked: MINTING."""
    fresh.machine.handle(Woke(), NOW + 100_000)

    assert kinds(fresh.ask(100_001)) == ["StartMint"]
    assert fresh.state(100_001) is State.MINTING


def test_row_18_a_dead_grant_is_parked_for_all_its_credentials() -> None:
    """MintFailed(reauthorize): who waits on any credential of the grant hears the same."""
    bench = Bench(
        Plan(credential="a", epoch="e", grant="g", rotating=True),
        Plan(credential="b", epoch="e", grant="g", rotating=True),
    )
    other = TokenKey("b", "e")
    bench.ask(0)
    bench.ask(0, other)

    assert bench.fail(1, LOGIN) == [Park("g", LOGIN), Fail(2, LOGIN), Fail(1, LOGIN)]
    assert bench.state(1) is State.PARKED


def test_row_19_parked_asks_fail_at_once(bench: Bench) -> None:
    """PARKED, asked: the same line, no call upstream, for ever."""
    bench.ask(0)
    bench.fail(1, LOGIN)

    assert bench.ask(2) == [Fail(2, LOGIN)]
    assert bench.ask(100_000) == [Fail(3, LOGIN)]
    assert bench.handle(Forced(key=KEY, waiter=50), 100_001) == [Fail(50, LOGIN)]
    assert bench.machine.wake_at() is None


def test_row_20_a_login_ends_parking(bench: Bench) -> None:
    """GrantCleared: the next ask mints."""
    bench.ask(0)
    bench.fail(1, LOGIN)
    bench.handle(GrantCleared(grant="a"), 2)

    assert bench.state(2) is State.EMPTY
    assert kinds(bench.ask(3)) == ["StartMint"]


def test_row_21_a_broken_configuration_is_tried_hourly(bench: Bench) -> None:
    """MintFailed(fix-configuration): fails at once until then."""
    bench.ask(0)
    bench.fail(0, BROKEN)

    assert bench.state(1) is State.PARKED
    assert kinds(bench.ask(3599)) == ["Fail"]
    assert kinds(bench.ask(3601)) == ["StartMint"]


def test_row_22_an_early_re_ask_means_rejected() -> None:
    """FRESH, asked again by the same asker before its cache time is over: one forced mint."""
    bench = Bench()
    words = {"asker": (9, 77), "cache_ttl": 20.0}
    bench.ask(0, **words)
    bench.mint(0)
    bench.ask(1, **words)

    assert kinds(bench.ask(2, **words)) == ["Serve", "StartMint"]
    assert bench.state(2) is State.SUSPECT


def test_row_23_a_reported_rejection_forces_one_mint(fresh: Bench) -> None:
    """Rejected: once per token, and only for the current one."""
    assert fresh.handle(Rejected(key=KEY, token_id="other"), 1) == []
    assert kinds(fresh.handle(Rejected(key=KEY, token_id="t1"), 1)) == ["StartMint"]
    assert fresh.handle(Rejected(key=KEY, token_id="t1"), 2) == []
    assert fresh.state(2) is State.SUSPECT


def test_row_24_the_new_token_ends_suspicion_even_if_it_ends_earlier(fresh: Bench) -> None:
    """SUSPECT, minted: another token is what was wanted."""
    fresh.handle(Rejected(key=KEY, token_id="t1"), 1)

    assert fresh.mint(2, life=50, token="t2") == [Drop(KEY, "t1")]
    assert fresh.state(2) is State.FRESH


def test_row_25_a_forced_refresh_answers_with_the_new_token(fresh: Bench) -> None:
    """Forced: whatever is held, also right after a mint."""
    assert kinds(fresh.handle(Forced(key=KEY, waiter=50), 1)) == ["StartMint"]
    assert fresh.mint(2, token="t2") == [Drop(KEY, "t1"), Serve(50, KEY, "t2")]


def test_row_26_who_leaves_does_not_stop_the_flight(bench: Bench) -> None:
    """WaiterLeft: no answer for it; the next one is served."""
    bench.ask(0)
    assert bench.handle(WaiterLeft(waiter=1), 1) == []
    assert bench.handle(WaiterLeft(waiter=1), 1) == []

    assert bench.mint(2) == []
    assert bench.ask(3) == [Serve(2, KEY, "t1")]


def test_row_27_what_is_no_longer_configured_is_gone(fresh: Bench) -> None:
    """Configured without it: token dropped, waiters failed, its late flight dropped too."""
    fresh.ask(60, min_remaining=500)
    commands = fresh.handle(Configured(plans=(Plan(credential="a", epoch="e2", grant="a"),)), 61)

    assert kinds(commands) == ["Fail", "Drop"]
    assert fresh.mint(62, token="late") == [Drop(KEY, "late")]
    assert fresh.machine.view("a", NOW + 63).token_id is None


def test_row_28_a_grant_parked_in_an_earlier_life_is_parked() -> None:
    """GrantParked: the first ask fails at once with what was known then; no call upstream."""
    bench = Bench(
        Plan(credential="a", epoch="e", grant="g", rotating=True, always=True),
        Plan(credential="b", epoch="e", grant="g", rotating=True),
    )
    other = TokenKey("b", "e")

    assert bench.handle(GrantParked(grant="g", failure=LOGIN), 0) == []
    assert bench.wake(1) == []
    assert bench.ask(1) == [Fail(1, LOGIN)]
    assert bench.ask(1, other) == [Fail(2, LOGIN)]
    assert bench.handle(Forced(key=other, waiter=50), 2) == [Fail(50, LOGIN)]
    assert bench.state(2) is State.PARKED
    bench.handle(GrantCleared(grant="g"), 3)
    assert kinds(bench.ask(4, other)) == ["StartMint"]


def test_row_31_what_was_given_up_is_handed_out_no_more(fresh: Bench) -> None:
    """GrantParked with drop: a logout, where parking alone would serve what is still valid."""
    commands = fresh.handle(GrantParked(grant="a", failure=LOGIN, drop=True), 10)

    assert kinds(commands) == ["Drop", "Park"] or kinds(commands) == ["Drop"]
    assert fresh.state(10) is State.PARKED
    assert kinds(fresh.ask(11)) == ["Fail"]


def test_row_29_what_was_in_use_recovers_by_itself(fresh: Bench) -> None:
    """EXPIRED in demand, woke after back-off: MINTING, before anybody asks again."""
    fresh.wake(75)
    fresh.fail(99.9)
    assert fresh.wake(100) == [Drop(KEY, "t1")]

    assert 100 < fresh.due() <= 102
    assert kinds(fresh.wake(fresh.due())) == ["StartMint"]
    assert fresh.state(102) is State.MINTING


def test_row_30_a_clock_set_back_moves_all_that_is_known_back(fresh: Bench) -> None:
    """Any event at an earlier instant: the token keeps the life it had, and its deadline."""
    fresh.ask(10)
    assert fresh.ask(10 - 3600) == [Serve(3, KEY, "t1")]
    assert fresh.due() == 75 - 3600
    assert fresh.wake(74 - 3600) == []
    assert kinds(fresh.wake(75 - 3600)) == ["StartMint"]


def test_demand_that_comes_back_brings_the_refresh_back() -> None:
    """Lapsed at refresh time, asked again before the end: nobody is to wait for the next one."""
    bench = Bench(Plan(credential="a", epoch="e", grant="a", idle_after=10))
    bench.ask(0)
    bench.mint(0)
    assert bench.wake(75) == []
    bench.ask(80)

    assert bench.due() <= 80
    assert kinds(bench.wake(80)) == ["StartMint"]


def restored(
    token: str = "old", ends: float = 50, minted: float = -50, **words: object
) -> Restored:
    """Return the word of a token whose life is 100 s unless said otherwise."""
    return Restored(
        **{
            "key": KEY,
            "token_id": token,
            "issued_at": NOW + minted,
            "expires_at": NOW + ends,
            "minted_at": NOW + minted,
            "jitter": 0.0,
            **words,
        }
    )


def test_row_32_a_token_of_an_earlier_life_is_taken_up(bench: Bench) -> None:
    """No mint: whoever asks is served, and it is refreshed when it would have been."""
    assert bench.handle(restored(), 0) == []
    assert bench.state(0) is State.FRESH
    assert bench.ask(1) == [Serve(1, KEY, "old")]
    assert bench.due() == 25
    assert kinds(bench.wake(25)) == ["StartMint"]
    assert bench.mint(26) == [Drop(KEY, "old")]


def test_row_33_what_this_life_knows_is_better(bench: Bench) -> None:
    """While a mint is out, and beside a token that is held already."""
    bench.ask(0)
    assert bench.handle(restored(), 0) == [Drop(KEY, "old")]
    assert bench.mint(1) == [Serve(1, KEY, "t1")]
    assert bench.handle(restored(ends=1000), 2) == [Drop(KEY, "old")]
    assert bench.handle(restored("t1"), 2) == []
    assert bench.ask(3) == [Serve(2, KEY, "t1")]


@pytest.mark.parametrize(
    "event",
    [
        restored(ends=0),
        restored(ends=9.9, minted=-90.1),
        restored(ends=-10),
        restored(ends=-60),
        restored(key=TokenKey("a", "other")),
        restored(key=TokenKey("gone", "e")),
        restored(expires_at=math.inf),
    ],
)
def test_a_restored_token_that_is_of_no_use_is_dropped(bench: Bench, event: Restored) -> None:
    """Expired, nearly so, of another epoch, not configured, without an end."""
    assert bench.handle(event, 0) == [Drop(event.key, "old")]
    assert bench.state(0) is State.EMPTY


def test_a_restored_token_from_the_future_lasts_no_longer_than_its_life(bench: Bench) -> None:
    """The clock was set back between two lives of the daemon: which one was right is unknown."""
    bench.handle(restored(minted=1000, ends=1100), 0)

    assert bench.due() == 100
    assert bench.wake(100) == [Drop(KEY, "old")]


def test_a_parked_grant_serves_its_restored_token() -> None:
    """As it would have without the restart."""
    bench = Bench()
    bench.handle(GrantParked(grant="a", failure=LOGIN), 0)
    bench.handle(restored(), 0)

    assert bench.ask(1) == [Serve(1, KEY, "old")]
    assert bench.handle(GrantParked(grant="a", failure=LOGIN, drop=True), 2) == [Drop(KEY, "old")]


def test_with_too_many_keys_a_restored_one_is_dropped(bench: Bench) -> None:
    """64 are in use: no error, the token is minted again when it is wanted."""
    for number in range(64):
        bench.ask(0, TokenKey("a", "e", audience=str(number)))

    assert bench.handle(restored(), 0) == [Drop(KEY, "old")]


def test_every_row_of_the_table_has_its_test() -> None:
    """The docstring is the table; a row without a test fails here."""
    assert machine.__doc__ is not None
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|", machine.__doc__, re.MULTILINE)}
    tests = {int(name[9:11]) for name in globals() if name.startswith("test_row_")}

    assert rows == tests
    assert rows == set(range(1, 34))


# --- cases that span rows ------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["cold", "expiring", "expired"])
def test_t1_a_thousand_askers_cost_one_mint(state: str) -> None:
    """T1: cold, expiring and expired alike."""
    bench = Bench()
    at = 0.0
    if state != "cold":
        bench.ask(0)
        bench.mint(0)
        at = 60 if state == "expiring" else 200_000
        if state == "expired":
            bench.wake(at)
    commands = [bench.ask(at, min_remaining=500) for _ in range(1000)]

    assert [kind for command in commands for kind in kinds(command)] == ["StartMint"]
    served = bench.mint(at + 1, token="t2")
    assert kinds(served).count("Serve") == 1000


def test_t3_upstream_calls_are_bounded_while_it_fails(bench: Bench) -> None:
    """T3: an ask every 100 ms for ten minutes costs what back-off allows."""
    starts = 0
    for tick in range(6000):
        commands = bench.ask(tick / 10)
        if "StartMint" in kinds(commands):
            starts += 1
            bench.fail(tick / 10)

    # 2, 4, 8 … 300 s with nearly full jitter.
    assert 7 <= starts <= 10


def test_retry_after_is_never_undercut(bench: Bench) -> None:
    """The server's word counts more than our jitter."""
    bench.ask(0)
    bench.fail(0, Failure.of(Kind.PROVIDER_UNREACHABLE, "slow down", retry_after=120), jitter=0)

    assert kinds(bench.ask(119)) == ["Fail"]
    assert kinds(bench.ask(121)) == ["StartMint"]


def test_t4_tokens_minted_together_are_refreshed_apart() -> None:
    """T4: spread over a tenth of the life, only earlier, no part holding more than its share."""
    drawn = random.Random(7)
    names = [f"c{number}" for number in range(1000)]
    bench = Bench(*(Plan(credential=name, epoch="e", grant=name) for name in names))
    for name in names:
        bench.ask(0, TokenKey(name, "e"))
        bench.mint(0, life=1000, token=name, key=TokenKey(name, "e"), jitter=drawn.random())
    times = [bench.machine.view(name, NOW).refresh_at for name in names]

    offsets = [time - NOW for time in times if time is not None]
    assert len(offsets) == 1000
    assert 650 <= min(offsets)
    assert max(offsets) <= 750
    shares = [
        sum(650 + 10 * part <= each < 660 + 10 * part for each in offsets) for part in range(10)
    ]
    assert max(shares) <= 150


def test_t5_a_wish_beyond_the_provider_is_flagged_and_does_not_loop(bench: Bench) -> None:
    """T5: at most half the life counts; asking again and again costs nothing."""
    bench.ask(0, min_remaining=10_000)
    assert bench.mint(0) == [Serve(1, KEY, "t1", short=True)]
    answers = [bench.ask(second, min_remaining=10_000) for second in range(1, 50)]

    assert {kinds(answer)[0] for answer in answers} == {"Serve"}
    assert all(answer[0].short for answer in answers)  # type: ignore[union-attr]
    assert bench.due() == 50


def test_t7_what_is_over_on_arrival_is_a_failure(bench: Bench) -> None:
    """T7: an expired mint is dropped, never served."""
    bench.ask(0)
    commands = bench.mint(10, life=-1)

    assert kinds(commands) == ["Fail", "Drop"]
    assert bench.state(10) is State.EMPTY


def test_the_last_seconds_are_not_handed_out(fresh: Bench) -> None:
    """Below a tenth of the life (30 s at most) an ask waits for the mint instead."""
    fresh.wake(75)

    assert fresh.ask(89.9) != []
    assert fresh.ask(91) == []


def test_a_token_without_an_end_is_never_refreshed(bench: Bench) -> None:
    """expires_at None: served for ever, dropped only when replaced."""
    bench.ask(0)
    bench.mint(0, life=None)

    assert bench.machine.wake_at() is None
    assert bench.ask(10_000_000, min_remaining=1e9) == [Serve(2, KEY, "t1")]


def test_a_rotating_grant_mints_one_at_a_time() -> None:
    """Two credentials on one grant: the second flight starts when the first has landed."""
    bench = Bench(
        Plan(credential="a", epoch="e", grant="g", rotating=True),
        Plan(credential="b", epoch="e", grant="g", rotating=True),
    )
    other = TokenKey("b", "e")

    assert kinds(bench.ask(0)) == ["StartMint"]
    assert bench.ask(0, other) == []
    assert kinds(bench.mint(1)) == ["Serve", "StartMint"]
    assert bench.mint(2, key=other, token="t2") == [Serve(2, other, "t2")]


def test_kept_credentials_are_minted_without_being_asked() -> None:
    """Keep = "always": at the first wake-up, and on and on."""
    bench = Bench(Plan(credential="a", epoch="e", grant="a", always=True))

    assert kinds(bench.wake(0)) == ["StartMint"]
    bench.mint(1)
    assert kinds(bench.wake(76)) == ["StartMint"]


def test_a_parked_grant_is_restored_for_those_who_wait_already() -> None:
    """GrantParked after the first asks: who waits for the lease hears it, a flight lands."""
    bench = Bench(
        Plan(credential="a", epoch="e", grant="g", rotating=True),
        Plan(credential="b", epoch="e", grant="g", rotating=True),
    )
    bench.ask(0)
    bench.ask(0, TokenKey("b", "e"))

    assert bench.handle(GrantParked(grant="g", failure=LOGIN), 1) == [Fail(2, LOGIN)]
    assert bench.mint(2) == [Serve(1, KEY, "t1")]
    assert bench.state(3) is State.PARKED


def test_a_restored_grant_that_nobody_uses_is_forgotten(bench: Bench) -> None:
    """Told before the configuration was read: what is configured stays parked, the rest goes."""
    bench.handle(GrantParked(grant="a", failure=LOGIN), 0)
    bench.handle(GrantParked(grant="gone", failure=LOGIN), 0)
    bench.handle(Configured(plans=(Plan(credential="a", epoch="e", grant="a"),)), 0)

    assert bench.ask(1) == [Fail(1, LOGIN)]
    assert bench.machine._book.grant("gone").parked is None


def test_t13_a_clock_that_jumps_ahead_serves_nothing_expired_and_storms_nobody() -> None:
    """T13, T14: after a long sleep what has no demand stays quiet, the rest is spread."""
    names = [f"c{number}" for number in range(100)]
    bench = Bench(*(Plan(credential=name, epoch="e", grant=name) for name in names))
    for index, name in enumerate(names):
        bench.ask(0, TokenKey(name, "e"))
        bench.mint(0, life=7200, token=name, key=TokenKey(name, "e"), jitter=(index + 1) / 101)
    woken = bench.wake(6000)

    assert kinds(woken).count("StartMint") == 0
    later = [kinds(bench.wake(6000 + second)).count("StartMint") for second in range(1, 40)]
    assert sum(later) == 100
    assert max(later) <= 10
    assert all(kinds(bench.ask(8000, TokenKey(name, "e"))) != ["Serve"] for name in names[:3])


@pytest.mark.parametrize("back", [2.0, 3600.0, 86_400.0, 1e9])
def test_t13_a_clock_set_back_keeps_serving_and_refreshing(fresh: Bench, back: float) -> None:
    """T13: nothing is minted for the step, and nothing stands still after it."""
    assert fresh.ask(-back) == [Serve(2, KEY, "t1")]
    assert fresh.wake(-back) == []

    assert fresh.due() == pytest.approx(75 - back)
    assert kinds(fresh.wake(75 - back)) == ["StartMint"]
    fresh.mint(76 - back, token="t2")
    assert fresh.ask(77 - back) == [Serve(3, KEY, "t2")]


@pytest.mark.parametrize("back", [3600.0, 86_400.0])
def test_t13_a_clock_set_back_does_not_lengthen_a_pause(bench: Bench, back: float) -> None:
    """T13: back-off, a look at a caching source and spacing wait as long as they would have."""
    bench.ask(0)
    bench.fail(0)
    assert kinds(bench.ask(-back)) == ["Fail"]
    assert kinds(bench.ask(1 - back)) == ["Fail"]
    assert kinds(bench.ask(2 - back)) == ["StartMint"]
    bench.mint(2 - back)
    bench.wake(77 - back)
    bench.mint(77 - back, life=25, token="t1")
    later = -back - back
    assert bench.wake(77 + later) == []
    assert bench.due() == pytest.approx(102 + later)
    assert kinds(bench.wake(102 + later)) == ["Drop"]
    assert kinds(bench.ask(103 + later)) == ["StartMint"]


@pytest.mark.parametrize("step", [3600.0, 86_400.0])
def test_t13_a_clock_that_swings_costs_a_mint_per_swing_at_most(step: float) -> None:
    """T13: there and back every minute, with an ask each second."""
    bench = Bench()
    starts, now, swings, token = 0, 0.0, 0, 0
    for second in range(600):
        now += 1
        if second % 60 == 59:
            now += step if swings % 2 == 0 else -step
            swings += 1
        commands = [*bench.wake(now), *bench.ask(now)]
        if "StartMint" in kinds(commands):
            starts, token = starts + 1, token + 1
            commands = bench.mint(now, life=3600, token=f"t{token}")
        assert "Serve" in kinds(commands)

    assert starts <= 1 + swings


def test_t13_a_slow_clock_and_small_corrections_cost_nothing() -> None:
    """T13: trimmed by half a second ten times a minute, for an hour: the usual refreshes."""
    bench = Bench()
    starts, now = 0, 0.0
    for second in range(3600):
        now += 0.5 if second % 6 == 0 else 1.0
        now -= 0.4 if second % 7 == 0 else 0.0
        commands = [*bench.wake(now), *bench.ask(now)]
        if "StartMint" in kinds(commands):
            starts += 1
            bench.mint(now, life=600, token=f"t{starts}")

    assert 6 <= starts <= 9


def test_t13_a_step_during_a_flight_gives_no_endless_token(bench: Bench) -> None:
    """T13: the mint began before the clock was set back, so its times lie in our future."""
    bench.ask(0)
    bench.handle(
        Minted(
            key=KEY,
            flight=1,
            token_id="t1",
            issued_at=NOW,
            expires_at=NOW + 100,
            jitter=0,
        ),
        -3600,
    )

    assert bench.machine.view("a", NOW - 3600).expires_at == NOW + 100
    assert bench.due() == 75 - 3600
    assert kinds(bench.wake(100 - 3600)) == ["Drop"]


def test_t13_the_inference_survives_a_step_either_way(bench: Bench) -> None:
    """T13: no mint is forced by a step, and a real re-ask after it is still understood."""
    words = {"asker": (9, 77), "cache_ttl": 300.0}
    bench.ask(0, **words)
    bench.mint(0, life=7200)
    bench.ask(1, **words)

    assert kinds(bench.ask(3601, **words)) == ["Serve"]
    assert kinds(bench.ask(302, **words)) == ["Serve", "StartMint"]


def test_t14_after_three_hours_of_sleep_the_first_ask_is_right() -> None:
    """T14: an ask before any timer fired: what is over is not served, what is valid is."""
    bench = Bench()
    bench.ask(0)
    bench.mint(0, life=3600)
    assert kinds(bench.ask(10_800)) == ["StartMint"]
    assert bench.mint(10_801, life=36_000, token="t2")[-1] == Serve(2, KEY, "t2")

    assert bench.ask(21_601) == [Serve(3, KEY, "t2")]


@pytest.mark.parametrize("life", [3600.0, 12_000.0])
def test_t14_there_is_no_herd_on_wake(life: float) -> None:
    """T14: a hundred kept credentials, expired (1 h) or nearly so (12,000 s), are spread out."""
    names = [f"c{number}" for number in range(100)]
    bench = Bench(*(Plan(credential=name, epoch="e", grant=name, always=True) for name in names))
    bench.wake(0)
    for index, name in enumerate(names):
        bench.mint(0, life=life, token=name, key=TokenKey(name, "e"), jitter=(index + 1) / 101)
    slept = [kinds(bench.wake(10_800 + second)).count("StartMint") for second in range(40)]

    assert sum(slept) == 100
    assert max(slept) <= 10


@pytest.mark.parametrize("seed", range(5))
def test_t15_an_hour_offline_costs_little_and_ends_by_itself(seed: int) -> None:
    """T15: asked every 10 s; upstream is called within the back-off, and no ask is needed after."""
    drawn = random.Random(seed)
    bench = Bench()
    bench.ask(0)
    bench.mint(0, life=600)
    calls, back, token = 0, None, 0
    for second in range(1, 6000):
        online = second > 3600
        asks = bench.ask(second) if second % 10 == 0 and not online else []
        if "StartMint" not in kinds([*bench.wake(second), *asks]):
            continue
        calls += not online
        if online:
            token += 1
            bench.mint(second, life=600, token=f"n{token}")
            back = back or second
        else:
            bench.fail(second, jitter=drawn.random())

    # 2, 4, 8 … 256 s and then 300 s, at half the length on average.
    assert 10 <= calls <= 60
    assert back is not None
    assert back <= 3600 + 300
    assert bench.ask(6000) == [Serve(bench.waiter, KEY, f"n{token}")]


def test_t16_a_hundred_thousand_refreshes_leave_no_trace() -> None:
    """T16: refreshed ahead, forced, rejected and asked by ever new askers; nothing grows."""
    bench = Bench()
    machine, now = bench.machine, 0.0
    sizes = []
    for number in range(100_000):
        # Long lives, so that hardly a deadline of the past is ever reached.
        bench.ask(now, asker=("claude", number), cache_ttl=20.0, min_remaining=number % 977)
        bench.handle(Rejected(key=KEY, token_id=f"t{number - 1}"), now)
        if number % 300 == 2 and machine._book.records[KEY].flight is None:
            now = bench.due()
            bench.wake(now)
        if machine._book.records[KEY].flight is None:
            bench.handle(Forced(key=KEY, waiter=-1 - number), now)
        bench.mint(now, life=1e6 + number, token=f"t{number}")
        now += 1
        if number % 20_000 == 19_999:
            book, inference = machine._book, machine._inference
            sizes.append(
                len(book._heap)
                + len(book.records)
                + len(book._waiting)
                + len(book._grants)
                + sum(len(each.needs.entries) for each in book.records.values())
                + len(inference._given)
                + len(inference._replaced)
                + len(machine._orphans)
            )

    assert machine.view("a", NOW + now).mints == 100_000
    assert len(sizes) == 5
    assert max(sizes) < 4096 + 4096 + 300


def test_extra_wake_ups_do_nothing(fresh: Bench) -> None:
    """Rule 6."""
    assert [fresh.wake(second) for second in range(75)] == [[]] * 75


@pytest.mark.parametrize(
    "event",
    [
        Asked(key=TokenKey("unknown", "e"), waiter=90),
        Asked(key=TokenKey("a", "old"), waiter=90),
        Minted(key=KEY, flight=999, token_id="x", issued_at=0, expires_at=None, jitter=0),
        MintFailed(key=KEY, flight=999, failure=DOWN, jitter=0),
        Configured(plans=(Plan(credential="a", epoch="e", grant="a"),) * 2),
    ],
)
def test_an_event_that_cannot_be_changes_nothing(fresh: Bench, event: object) -> None:
    """Rule 1."""
    before = (fresh.machine.view("a", NOW + 1), fresh.machine.wake_at())
    with pytest.raises(LifecycleError):
        fresh.handle(event, 1)

    assert (fresh.machine.view("a", NOW + 1), fresh.machine.wake_at()) == before


def test_a_credential_has_at_most_64_live_keys(bench: Bench) -> None:
    """One more is refused while all are in use; what holds nothing makes room."""
    keys = [TokenKey("a", "e", audience=str(number)) for number in range(64)]
    for key in keys:
        bench.ask(0, key)
    with pytest.raises(TooManyKeysError):
        bench.ask(1, TokenKey("a", "e", audience="one more"))
    bench.handle(
        MintFailed(key=keys[0], flight=bench.flights[keys[0]], failure=DOWN, jitter=0.5), 2
    )

    assert kinds(bench.ask(3, TokenKey("a", "e", audience="one more"))) == ["StartMint"]


def test_views_tell_of_every_credential(fresh: Bench) -> None:
    """Times, counts, and an error for a name that does not exist."""
    (view,) = fresh.machine.views(NOW + 1)

    assert (view.mints, view.failures, view.keys, view.token_id) == (1, 0, 1, "t1")
    assert (view.expires_at, view.refresh_at) == (NOW + 100, NOW + 75)
    with pytest.raises(LifecycleError):
        fresh.machine.view("unknown", NOW)
    assert Recovery.RETRY in Recovery
