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
    Accepted,
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
    Reason,
    Rejected,
    Restored,
    Serve,
    StartMint,
    State,
    StoreOpened,
    TokenKey,
    TokensDropped,
    WaiterLeft,
    Woke,
)

NOW = 1_800_000_000.0
KEY = TokenKey("a", "e")
OTHER = TokenKey("a", "e", audience="other")
DOWN = Failure.of(Kind.PROVIDER_UNREACHABLE, "down")
LOGIN = Failure.of(Kind.LOGIN_REQUIRED, "log in")
BROKEN = Failure.of(Kind.FIX_CONFIGURATION, "mend it")
MISSING = Failure.of(Kind.FIX_CONFIGURATION, "put it there", local=True)
LOCKED = Failure.of(Kind.STORE_LOCKED, "unlock")


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

    def fail(
        self, at: float, failure: Failure = DOWN, jitter: float = 0.99, key: TokenKey = KEY
    ) -> list[Command]:
        return self.handle(
            MintFailed(key=key, flight=self.flights[key], failure=failure, jitter=jitter), at
        )

    def mint_for_report(self, at: float, old: str, new: str, life: float) -> None:
        """Have *old* reported, and *new* minted a second later."""
        self.reject(at, old)
        self.mint(at + 1, token=new, life=life)

    def reject(self, at: float, token: str = "t1", **words: object) -> list[Command]:
        return self.handle(Rejected(credential="a", token_id=token, **words), at)  # type: ignore[arg-type]

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
    assert command.failure.retry_after == 4


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
    """FRESH, asked again by the same asker before its cache time is over: one forced mint.

    The first ask of all counts, which had to wait for its mint.
    """
    bench = Bench()
    words = {"asker": (9, 77), "cache_ttl": 20.0}
    bench.ask(0, **words)
    bench.mint(0)

    assert kinds(bench.ask(1, **words)) == ["Serve", "StartMint"]
    assert bench.state(1) is State.SUSPECT
    assert kinds(bench.ask(2, **words)) == ["Serve"]


def test_row_23_g11_a_reported_token_is_handed_out_no_more(fresh: Bench) -> None:
    """Rejected: only the current one; whoever asks waits for another, the reporter or not."""
    assert fresh.reject(1, "other") == []
    assert kinds(fresh.reject(1)) == ["Drop", "StartMint"]
    assert fresh.reject(2) == []
    assert fresh.state(2) is State.MINTING
    assert fresh.ask(2) == []
    assert fresh.mint(3, token="t2") == [Serve(2, KEY, "t2")]


def test_row_24_the_new_token_ends_suspicion_even_if_it_ends_earlier() -> None:
    """SUSPECT, minted: another token is what was wanted."""
    bench = Bench()
    words = {"asker": (9, 77), "cache_ttl": 20.0}
    bench.ask(0, **words)
    bench.mint(0)
    bench.ask(1, **words)

    assert bench.mint(2, life=50, token="t2") == [Drop(KEY, "t1")]
    assert bench.state(2) is State.FRESH


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


def test_row_34_g5_an_ask_probes_a_server_that_failed(bench: Bench) -> None:
    """EMPTY in a long pause: one ask in five seconds tries, and what it brings serves it."""
    for at in (0, 5, 10, 20, 40):
        bench.ask(at)
        bench.fail(at)
    for at in (60, 66, 72):
        assert kinds(bench.ask(at)) == ["StartMint"]
        bench.fail(at + 0.5)
        assert kinds(bench.ask(at + 5.4)) == ["Fail"]
    assert kinds(bench.ask(78)) == ["StartMint"]

    assert bench.ask(78.1) == [], "joined by whoever comes"
    assert kinds(bench.mint(79)) == ["Serve"] * 2


def test_row_05_g5_however_many_ask_a_failing_server_is_tried_once_in_five_seconds() -> None:
    """Twenty credentials, ten asks a second of each: once each, then once for all."""
    names = [f"c{number}" for number in range(20)]
    plans = (Plan(credential=name, epoch="e", grant=name, upstream="s") for name in names)
    bench = Bench(*plans)
    tries = []
    for tenth in range(251):
        for name in names:
            for command in bench.ask(tenth / 10, TokenKey(name, "e")):
                if isinstance(command, StartMint):
                    tries.append(tenth / 10)
                    bench.fail(tenth / 10, jitter=0.5, key=command.key)

    assert tries == [0] * 20 + [5, 10, 15, 20, 25]


def test_row_14_g5_an_ask_for_more_is_served_short_where_the_server_fails(fresh: Bench) -> None:
    """STALE: it waits for nothing that others found out just now."""
    fresh.wake(75)
    fresh.fail(75)
    (served,) = fresh.ask(78, min_remaining=40)
    assert isinstance(served, Serve)
    assert served.short

    assert kinds(fresh.ask(80, min_remaining=40)) == ["StartMint"]


def test_row_35_after_a_slow_failure_nobody_waits_for_the_next(bench: Bench) -> None:
    """MINTING: a server that hangs costs one who asks its patience, not everybody."""
    bench.ask(0)
    bench.fail(30)
    assert kinds(bench.ask(35)) == ["StartMint"]
    assert kinds(bench.ask(36)) == ["Fail"]
    bench.fail(36)
    assert kinds(bench.ask(41)) == ["StartMint"]

    assert bench.ask(41) == [], "it failed at once the last time"


def test_row_36_g2_a_failure_of_what_was_replaced_meanwhile_counts_for_nothing() -> None:
    """MINTING, cleared: the refused login or secret was the one before; those who wait go on waiting."""
    for failure in (LOGIN, BROKEN):
        bench = Bench()
        bench.ask(0)
        bench.handle(GrantCleared(grant="a"), 1)
        assert kinds(bench.fail(2, failure)) == ["StartMint"]
        assert bench.state(2) is State.MINTING
        assert bench.mint(3) == [Serve(1, KEY, "t1")]

    bench = Bench()
    bench.ask(0)
    bench.handle(GrantCleared(grant="a"), 1)
    bench.fail(2, BROKEN)
    assert bench.fail(3, BROKEN) == [Fail(1, BROKEN)], "but once"


def test_row_37_g2_a_login_of_another_tool_is_tried_when_somebody_says_so() -> None:
    """PARKED, no login is given here: a refresh shows whether there is one now."""
    bench = Bench(Plan(credential="a", epoch="e", grant="a", login=False))
    bench.ask(0)
    bench.fail(1, LOGIN)
    assert bench.ask(2) == [Fail(2, LOGIN)]
    assert kinds(bench.handle(Forced(key=KEY, waiter=50), 3)) == ["StartMint"]
    assert kinds(bench.fail(4, LOGIN)) == ["Park", "Fail"]
    assert bench.ask(5) == [Fail(3, LOGIN)]
    bench.handle(Forced(key=KEY, waiter=51), 6)

    assert bench.mint(7) == [Serve(51, KEY, "t1")]
    assert bench.ask(8) == [Serve(4, KEY, "t1")]


def unending(**words: str) -> Bench:
    """Return a bench whose token, a key, has no end."""
    bench = Bench(Plan(credential="a", epoch="e", grant="a", **words))
    bench.ask(0)
    bench.mint(0, life=None, token="key")
    return bench


def test_row_38_g9_the_same_key_again_is_refused_itself() -> None:
    """MINTING, minted the reported token: nothing is handed out, and nothing is asked in a loop."""
    bench = unending(remedy="store another one")
    assert kinds(bench.reject(1, "key")) == ["Drop", "StartMint"]
    bench.ask(1)
    drop, fail = bench.mint(2, life=None, token="key")

    assert drop == Drop(KEY, "key")
    assert isinstance(fail, Fail)
    assert fail.failure.kind is Kind.PROVIDER_REFUSED
    assert (
        fail.failure.message == '"a" is refused where it is used (unauthorized): store another one'
    )
    assert bench.state(3) is State.REJECTED
    view = bench.machine.view("a", NOW + 3)
    assert view.verdict is not None
    assert (view.verdict.since, view.verdict.until) == (NOW + 1, None)
    assert bench.reject(4, "key") == []


def test_row_39_g9_a_second_refusal_of_a_fresh_token_is_one_of_the_key(fresh: Bench) -> None:
    """FRESH: the token that was minted for the report is refused too; two minutes, then again."""
    fresh.mint_for_report(1, "t1", "t2", life=3600)
    assert fresh.reject(3, "t2") == [Drop(KEY, "t2")]
    assert fresh.state(4) is State.REJECTED
    assert kinds(fresh.ask(122)) == ["Fail"]
    assert kinds(fresh.ask(124)) == ["StartMint"]
    fresh.mint(125, token="t3", life=3600)
    assert fresh.reject(126, "t3") == [Drop(KEY, "t3")]

    assert kinds(fresh.ask(126 + 239)) == ["Fail"]
    assert kinds(fresh.ask(126 + 241)) == ["StartMint"]


def test_row_23_g11_a_token_is_as_old_as_it_is_though_its_source_gave_it_again(
    fresh: Bench,
) -> None:
    """FRESH: it was minted for a report, but it was good for an hour before it was refused."""
    fresh.mint_for_report(1, "t1", "t2", life=7200)
    fresh.handle(Forced(key=KEY, waiter=50), 3600)
    fresh.mint(3601, token="t2", life=7200 - 3599)

    assert kinds(fresh.reject(3602, "t2")) == ["Drop", "StartMint"]


def test_row_39_g9_a_token_that_came_again_is_refused_at_once_as_before(fresh: Bench) -> None:
    """FRESH: nobody ever accepted it, however often its source gave it."""
    fresh.mint_for_report(1, "t1", "t2", life=3600)
    fresh.handle(Forced(key=KEY, waiter=50), 3)
    fresh.mint(4, token="t2", life=3598)

    assert fresh.reject(5, "t2") == [Drop(KEY, "t2")]


def test_row_40_g9_no_other_token_helps_against_a_quota() -> None:
    """FRESH: cools down, longer each time, or until the time that was reported; no mint."""
    bench = unending()
    for at, pause in ((0, 30), (100, 60), (300, 300)):
        assert bench.reject(at, "key", reason=Reason.QUOTA) == [Drop(KEY, "key")]
        assert bench.state(at + pause - 1) is State.REJECTED
        assert kinds(bench.ask(at + pause - 1)) == ["Fail"]
        assert kinds(bench.ask(at + pause)) == ["StartMint"]
        bench.mint(at + pause, life=None, token="key")
    bench.reject(1000, "key", reason=Reason.QUOTA, until=NOW + 90_000)
    (fail,) = bench.ask(1001)
    assert isinstance(fail, Fail)
    assert fail.failure.retry_after == 88_999
    assert fail.failure.recovery is Recovery.RETRY
    assert kinds(bench.ask(90_000)) == ["StartMint"]

    bench.mint(90_000, life=None, token="key")
    bench.reject(95_000, "key", reason=Reason.BILLING)
    (fail,) = bench.ask(95_001)
    assert isinstance(fail, Fail)
    assert fail.failure.recovery is Recovery.FIX_CONFIGURATION
    assert kinds(bench.ask(98_600)) == ["StartMint"]


def test_row_41_g9_whoever_asks_hears_of_it_at_once() -> None:
    """REJECTED, asked: no mint; hourly a look whether the key is another one now."""
    bench = rejected()
    assert [kinds(bench.ask(second)) for second in range(3, 3600, 99)] == [["Fail"]] * 37
    assert bench.machine.wake_at() is None
    assert kinds(bench.ask(3602)) == ["StartMint"]
    assert kinds(bench.mint(3603, life=None, token="key")) == ["Drop", "Fail"]
    assert bench.state(3604) is State.REJECTED
    assert kinds(bench.ask(3604)) == ["Fail"]
    bench.ask(7204)

    assert kinds(bench.mint(7205, life=None, token="another")) == ["Serve"]
    assert bench.state(7206) is State.FRESH


def rejected() -> Bench:
    """Return a bench whose key is refused since 1 s, found out at 2 s."""
    bench = unending()
    bench.reject(1, "key")
    bench.mint(2, life=None, token="key")
    return bench


def test_row_42_g9_the_time_that_was_reported_ends_it() -> None:
    """REJECTED until then: the same key may be tried again."""
    bench = unending()
    bench.reject(1, "key", until=NOW + 500)
    bench.mint(2, life=None, token="key")
    assert bench.state(499) is State.REJECTED
    assert kinds(bench.ask(499)) == ["Fail"]
    assert kinds(bench.ask(501)) == ["StartMint"]

    assert kinds(bench.mint(502, life=None, token="key")) == ["Serve"]


def test_row_38_g9_a_reported_token_comes_to_no_key() -> None:
    """One key behind two audiences: each that holds it, and each that is given it later."""
    bench = unending()
    bench.ask(0, OTHER)
    bench.mint(0, life=None, token="key", key=OTHER)
    assert kinds(bench.reject(1, "key")) == ["Drop", "Drop", "StartMint", "StartMint"]
    bench.mint(2, life=None, token="key")
    assert kinds(bench.ask(3, OTHER)) == []
    assert kinds(bench.mint(3, life=None, token="key", key=OTHER)) == ["Drop", "Fail"]
    third = TokenKey("a", "e", audience="third")
    bench.ask(4, third)
    assert kinds(bench.mint(5, life=None, token="key", key=third)) == ["Drop", "Fail"]
    restored = Restored(
        key=TokenKey("a", "e", audience="fourth"),
        token_id="key",
        issued_at=NOW,
        expires_at=NOW + 3600,
        minted_at=NOW,
        jitter=0,
    )
    assert kinds(bench.handle(restored, 6)) == ["Drop"]
    assert [kinds(bench.ask(7, key)) for key in (KEY, OTHER, third)] == [["Fail"]] * 3
    # Its owner says that it is good, of one: so it is for all.
    bench.handle(Forced(key=KEY, waiter=99), 8)
    assert bench.mint(9, life=None, token="key") == [Serve(99, KEY, "key")]
    assert [kinds(bench.ask(9, key)) for key in (OTHER, third)] == [["StartMint"]] * 2

    assert kinds(bench.mint(9, life=None, token="key", key=OTHER)) == ["Serve"]


def test_row_38_g9_a_reported_token_stays_so_after_another_one() -> None:
    """A source that comes back to it: its key is refused, not served once more."""
    bench = unending()
    bench.reject(1, "key")
    bench.ask(1)
    assert kinds(bench.mint(2, life=100, token="another")) == ["Serve"]
    assert kinds(bench.ask(103)) == ["StartMint"]

    assert kinds(bench.mint(104, life=None, token="key")) == ["Drop", "Fail"]
    assert bench.state(105) is State.REJECTED


@pytest.mark.parametrize("reason", [Reason.QUOTA, Reason.BILLING])
def test_row_38_g9_a_key_that_was_spent_and_is_refused_is_so_until_it_is_replaced(
    reason: Reason,
) -> None:
    """What was minted after a spent quota is no token in place of a refused one."""
    bench = unending()
    bench.reject(1, "key", reason=reason, until=NOW + 10)
    bench.ask(11)
    assert kinds(bench.mint(12, life=None, token="key")) == ["Serve"]
    assert kinds(bench.reject(13, "key")) == ["Drop", "StartMint"]
    bench.mint(14, life=None, token="key")
    assert kinds(bench.ask(200)) == ["Fail"]
    view = bench.machine.view("a", NOW + 200)

    assert view.state is State.REJECTED
    assert view.verdict is not None
    assert view.verdict.until is None


def test_row_23_g11_a_first_refusal_after_a_quota_brings_another_token_at_once(
    fresh: Bench,
) -> None:
    """Also within half a minute of the mint that came when the quota was there again."""
    fresh.reject(1, "t1", reason=Reason.QUOTA)
    fresh.ask(31)
    fresh.mint(32, token="t2", life=3600)

    assert kinds(fresh.reject(40, "t2")) == ["Drop", "StartMint"]


def test_row_43_g9_its_owner_has_it_tried_again() -> None:
    """REJECTED, forced: whatever the source gives is handed out."""
    bench = rejected()
    assert kinds(bench.handle(Forced(key=KEY, waiter=50), 3)) == ["StartMint"]

    assert bench.mint(4, life=None, token="key") == [Serve(50, KEY, "key")]
    assert bench.state(5) is State.FRESH


def test_row_20_g9_a_new_secret_ends_a_verdict() -> None:
    """REJECTED, cleared."""
    bench = rejected()
    bench.handle(GrantCleared(grant="a"), 3)

    assert bench.state(3) is State.EMPTY
    assert kinds(bench.ask(4)) == ["StartMint"]


def test_row_49_g9_a_secret_that_is_allowed_is_the_one_that_was_refused() -> None:
    """REJECTED, cleared: it may be used, which makes it no better; what failed besides is over."""
    bench = rejected()
    assert kinds(bench.ask(3602)) == ["StartMint"]
    bench.fail(3603, BROKEN)
    assert bench.handle(GrantCleared(grant="a", same_secret=True), 3604) == []
    (fail,) = bench.ask(3605)

    assert isinstance(fail, Fail)
    assert "is refused where it is used" in fail.failure.message
    assert bench.state(3605) is State.REJECTED


def test_row_49_g2_a_secret_that_is_allowed_is_tried(fresh: Bench) -> None:
    """PARKED for want of that, with a token that is still good: it goes on being served."""
    fresh.wake(75)
    fresh.fail(75, BROKEN)
    fresh.handle(GrantCleared(grant="a", same_secret=True), 76)

    assert kinds(fresh.ask(76)) == ["Serve"]
    assert kinds(fresh.wake(80)) == ["StartMint"]


def test_row_44_g6_a_lock_drops_tokens_and_keeps_what_failed() -> None:
    """TokensDropped: PARKED, REJECTED and broken configurations are so afterwards, the rest is empty."""
    names = ["fresh", "broken", "parked", "minting", "rejected"]
    bench = Bench(*(Plan(credential=name, epoch="e", grant=name, login=True) for name in names))
    keys = {name: TokenKey(name, "e") for name in names}
    for key in keys.values():
        bench.ask(0, key)
    bench.mint(0, key=keys["fresh"])
    bench.mint(0, key=keys["rejected"], token="r")
    for name, failure in (("broken", BROKEN), ("parked", LOGIN)):
        bench.handle(
            MintFailed(key=keys[name], flight=bench.flights[keys[name]], failure=failure, jitter=0),
            1,
        )
    bench.handle(Rejected(credential="rejected", token_id="r", reason=Reason.BILLING), 1)
    commands = bench.handle(TokensDropped(failure=LOCKED), 2)

    assert commands == [Drop(keys["fresh"], "t1"), Fail(4, LOCKED)]
    states = {name: bench.machine.view(name, NOW + 3).state for name in names}
    assert states == {
        "fresh": State.EMPTY,
        "broken": State.PARKED,
        "parked": State.PARKED,
        "minting": State.EMPTY,
        "rejected": State.REJECTED,
    }
    assert bench.mint(4, key=keys["minting"], token="late") == [Drop(keys["minting"], "late")]
    assert kinds(bench.ask(5, keys["broken"])) == ["Fail"]
    assert kinds(bench.ask(5, keys["minting"])) == ["StartMint"]


def test_row_45_g6_an_open_store_ends_what_failed_for_want_of_it(bench: Bench) -> None:
    """StoreOpened: that, and nothing else."""
    bench.ask(0)
    bench.fail(1, LOCKED)
    assert kinds(bench.ask(1)) == ["Fail"]
    bench.handle(StoreOpened(), 2)
    assert kinds(bench.ask(2)) == ["StartMint"]
    bench.fail(3, BROKEN)
    bench.handle(StoreOpened(), 4)

    assert kinds(bench.ask(10)) == ["Fail"]


def test_row_46_g7_another_accounts_login_ends_the_tokens_of_before(fresh: Bench) -> None:
    """GrantCleared(drop): nothing of before goes out, whoever waits is served by the mint under way."""
    fresh.handle(Forced(key=KEY, waiter=50), 1)
    assert kinds(fresh.handle(GrantCleared(grant="a", drop=True), 2)) == ["Drop"]

    assert fresh.ask(3) == []
    assert kinds(fresh.mint(4)) == ["Serve", "Serve"]


def test_row_47_what_came_for_nobody_goes_unless_it_is_the_one_held(bench: Bench) -> None:
    """A flight that a lock took away lands after the next one, with the same key that has no end."""
    bench.ask(0)
    taken_away = bench.flights[KEY]
    bench.handle(TokensDropped(failure=LOCKED), 1)
    bench.ask(2)
    bench.mint(3, life=None, token="the-key")
    bench.flights[KEY] = taken_away

    assert bench.mint(4, life=None, token="the-key") == []
    assert kinds(bench.ask(5)) == ["Serve"]


@pytest.mark.parametrize("life", [None, -1.0])
def test_row_47_another_token_than_the_one_held_goes(bench: Bench, life: float | None) -> None:
    """Also one that has ended by now; what is held stays."""
    bench.ask(0)
    taken_away = bench.flights[KEY]
    bench.handle(TokensDropped(failure=LOCKED), 1)
    bench.ask(2)
    bench.mint(3, token="t2")
    bench.flights[KEY] = taken_away

    assert bench.mint(4, life=life, token="t1") == [Drop(KEY, "t1")]
    assert kinds(bench.ask(5)) == ["Serve"]


def test_row_48_a_source_that_says_that_the_held_token_has_ended_is_believed(fresh: Bench) -> None:
    """Whatever it said before: it is not handed out any more, as if nothing had been held."""
    fresh.handle(Forced(key=KEY, waiter=99), 50)

    assert kinds(fresh.mint(51, life=-1, token="t1")) == ["Fail", "Drop"]
    assert fresh.state(51) is State.EXPIRED


@pytest.fixture
def doubted() -> Bench:
    """A key without an end; an agent asked for another one at 2, and the same one came back at 3."""
    bench = Bench(Plan(credential="a", epoch="e", grant="a", remedy="run credward secret set k"))
    bench.ask(asker="claude", cache_ttl=60)
    bench.mint(0, life=None)
    bench.ask(2, asker="claude", cache_ttl=60)
    bench.mint(3, life=None)
    return bench


def doubt(bench: Bench, at: float) -> Failure | None:
    return bench.machine.view("a", NOW + at).doubt


def test_row_50_the_same_token_again_is_a_doubt_that_stops_nobody(doubted: Bench) -> None:
    """It is told with the command that helps, and since when; requests are served."""
    told = doubt(doubted, 4)

    assert doubted.state(4) is State.SUSPECT
    assert told is not None
    assert (told.kind, told.recovery) == (Kind.PROVIDER_REFUSED, Recovery.FIX_CONFIGURATION)
    assert told.since == NOW + 3
    assert told.line("07:58") == (
        '"a" is probably refused where it is used since 07:58 (an agent asked for another token, '
        "and the same one came back): run credward secret set k"
    )
    assert kinds(doubted.ask(4)) == ["Serve"]


def test_row_51_another_secret_ends_a_doubt(doubted: Bench) -> None:
    """But not that the same one may be used now."""
    doubted.handle(GrantCleared(grant="a", same_secret=True), 4)
    assert doubted.state(4) is State.SUSPECT
    doubted.handle(GrantCleared(grant="a"), 5)

    assert (doubted.state(5), doubt(doubted, 5)) == (State.FRESH, None)


def test_row_52_its_owner_ends_a_doubt(doubted: Bench) -> None:
    """Even if the same token comes once more."""
    commands = doubted.handle(Forced(key=KEY, waiter=99), 4)
    assert (kinds(commands), doubted.state(4)) == (["StartMint"], State.REFRESHING)
    doubted.mint(5, life=None)

    assert (doubted.state(5), doubt(doubted, 5)) == (State.FRESH, None)


def test_row_53_a_service_that_takes_the_token_ends_a_doubt(doubted: Bench) -> None:
    """Of another token it says nothing."""
    assert doubted.handle(Accepted(credential="a", token_id="t2"), 4) == []
    assert doubted.state(4) is State.SUSPECT
    assert doubted.handle(Accepted(credential="a", token_id="t1"), 5) == []

    assert (doubted.state(5), doubt(doubted, 5)) == (State.FRESH, None)


def test_row_53_a_doubt_is_over_for_a_key_that_gets_the_token_only_later(doubted: Bench) -> None:
    """Its quota was spent when a service took the token from another key."""
    doubted.reject(4, reason=Reason.QUOTA)
    doubted.ask(5, key=OTHER)
    doubted.mint(5, life=None, key=OTHER)
    doubted.handle(Accepted(credential="a", token_id="t1"), 6)
    doubted.ask(100)
    doubted.mint(101, life=None)

    assert (doubted.state(102), doubt(doubted, 102)) == (State.FRESH, None)


def test_what_was_seen_before_a_service_took_the_token_counts_no_more(doubted: Bench) -> None:
    """An early ask after that is the first: the source is asked again before anybody is told."""
    doubted.handle(Accepted(credential="a", token_id="t1"), 5)
    doubted.ask(200, asker="claude", cache_ttl=60)
    commands = doubted.ask(201, asker="claude", cache_ttl=60)
    assert doubt(doubted, 201) is None
    doubted.mint(202, life=None)
    told = doubt(doubted, 202)

    assert kinds(commands) == ["Serve", "StartMint"]
    assert told is not None
    assert told.since == NOW + 202


def test_a_doubt_that_grows_is_as_old_as_at_first(doubted: Bench) -> None:
    """Each further early ask says the same about the same token."""
    doubted.ask(100, asker="claude", cache_ttl=60)
    assert kinds(doubted.ask(101, asker="claude", cache_ttl=60)) == ["Serve"]
    told = doubt(doubted, 101)

    assert told is not None
    assert told.since == NOW + 3


def test_a_doubt_is_about_one_token(doubted: Bench) -> None:
    """It ends with the token, moves with the clock, and is told whichever audience it came up for."""
    doubted.ask(4, key=OTHER)
    doubted.mint(4, key=OTHER, token="t9")
    doubted.wake(4 - 3600)
    told = doubt(doubted, 4 - 3600)
    assert told is not None
    assert told.since == NOW + 3 - 3600
    doubted.handle(Forced(key=KEY, waiter=99), 6)
    doubted.mint(7, life=None, token="t2")

    assert (doubted.state(7), doubt(doubted, 7)) == (State.FRESH, None)


def test_a_report_tells_more_than_a_doubt(doubted: Bench) -> None:
    """Then the key is refused for certain, as soon as the source gives it again."""
    doubted.reject(4)
    doubted.mint(5, life=None)

    assert (doubted.state(5), doubt(doubted, 5)) == (State.REJECTED, None)


def test_without_a_remedy_of_its_source_a_doubt_names_a_command() -> None:
    """A program, say, that gives what it kept."""
    bench = Bench()
    bench.ask(asker="claude", cache_ttl=60)
    bench.mint(0, life=7200)
    bench.ask(1, asker="claude", cache_ttl=60)
    bench.mint(2, life=7198)
    told = doubt(bench, 3)

    assert told is not None
    assert told.remedy == "check its permissions, then run credward get --fresh a"


def test_every_row_of_the_table_has_its_test() -> None:
    """The docstring is the table; a row without a test fails here."""
    assert machine.__doc__ is not None
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|", machine.__doc__, re.MULTILINE)}
    tests = {int(name[9:11]) for name in globals() if name.startswith("test_row_")}

    assert rows == tests
    assert rows == set(range(1, 54))


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
    """T3: an ask every 100 ms for ten minutes costs one call in five seconds."""
    starts = 0
    for tick in range(6000):
        commands = bench.ask(tick / 10)
        if "StartMint" in kinds(commands):
            starts += 1
            bench.fail(tick / 10)

    assert 7 <= starts <= 600 / 5 + 1


def test_g5_one_probe_for_all_who_share_a_server() -> None:
    """Ten credentials, an ask for each ten times a second: one call in five seconds, till one works."""
    names = [f"c{number}" for number in range(10)]
    bench = Bench(
        *(Plan(credential=name, epoch="e", grant=name, upstream="bao") for name in names),
        Plan(credential="other", epoch="e", grant="other", upstream="elsewhere"),
    )
    keys = [TokenKey(name, "e") for name in names]
    up = 1000.0

    def tick(at: float) -> int:
        """Ask for all at *at*; return how many calls that costs."""
        started = [key for key in keys if "StartMint" in kinds(bench.ask(at, key))]
        for key in started:
            if at < up:
                flight = bench.flights[key]
                bench.handle(MintFailed(key=key, flight=flight, failure=DOWN, jitter=0.99), at)
            else:
                bench.mint(at, key=key, token=key.credential)
        return len(started)

    assert tick(0) == 10, "nobody knew yet"
    for tenth in range(1, 6000):
        tick(tenth / 10)
    calls = sum(tick(tenth / 10) for tenth in range(6000, 9990))
    # Each is tried by itself besides, every five minutes at most.
    assert 399 / 5 - 10 <= calls <= 399 / 5 + 10 * 2
    assert kinds(bench.ask(999.95, TokenKey("other", "e"))) == ["StartMint"]

    recovered = [tick(up + tenth / 10) for tenth in range(60)]
    assert sum(recovered) == 10
    assert all(kinds(bench.ask(up + 6, key)) == ["Serve"] for key in keys)


def test_g5_what_is_missing_on_this_machine_is_looked_for_by_whoever_asks(bench: Bench) -> None:
    """A file or a program: at the same pace, not hourly; nothing that a server refused."""
    bench.ask(0)
    bench.fail(0, MISSING)
    assert bench.state(1) is State.PARKED
    (fail,) = bench.ask(4)
    assert isinstance(fail, Fail)
    assert fail.failure.retry_after == 1
    assert kinds(bench.ask(5)) == ["StartMint"]
    bench.fail(5, BROKEN)

    assert {kind for at in range(6, 3600, 7) for kind in kinds(bench.ask(at))} == {"Fail"}


def test_g11_a_second_real_revocation_is_healed(fresh: Bench) -> None:
    """Within two minutes: the token that was minted for the first one had been good for a while."""
    fresh.mint_for_report(1, "t1", "t2", life=3600)
    fresh.ask(3)

    assert kinds(fresh.reject(60, "t2")) == ["Drop", "StartMint"]
    assert fresh.ask(61) == []
    assert fresh.mint(62, token="t3")[0] == Serve(fresh.waiter, KEY, "t3")


def test_g11_a_report_about_a_token_of_another_audience_finds_it(fresh: Bench) -> None:
    """By its id alone: whoever reports it need not say what it was asked for."""
    other = TokenKey("a", "e", audience="x")
    fresh.ask(0, other)
    fresh.mint(0, key=other, token="x1")

    assert fresh.reject(1, "x1")[0] == Drop(other, "x1")
    assert fresh.ask(2) == [Serve(fresh.waiter, KEY, "t1")]


def test_g11_a_report_waits_for_a_pause_that_the_server_asked_for(fresh: Bench) -> None:
    """And is told so; what was refused is not handed out meanwhile."""
    fresh.wake(75)
    fresh.fail(76, Failure.of(Kind.RATE_LIMITED, "slow down", retry_after=20))
    assert fresh.reject(77) == [Drop(KEY, "t1")]
    assert kinds(fresh.ask(78)) == ["Fail"]

    assert kinds(fresh.ask(96)) == ["StartMint"]


def test_g9_a_source_that_caches_is_asked_again_before_long(fresh: Bench) -> None:
    """The same token again, but one with an end: half a life is enough, where that is short."""
    fresh.reject(1)
    assert kinds(fresh.mint(2, token="t1", life=98)) == ["Drop"]
    assert fresh.state(3) is State.REJECTED
    assert kinds(fresh.ask(51)) == ["Fail"]
    assert kinds(fresh.ask(53)) == ["StartMint"]

    assert kinds(fresh.mint(54, token="t1", life=46)) == ["Serve"]


def test_g9_a_refresh_that_was_out_brings_nothing_against_a_quota(fresh: Bench) -> None:
    """What it gives is of the same account."""
    fresh.wake(75)
    fresh.reject(76, reason=Reason.QUOTA)

    assert fresh.mint(77, token="t2") == [Drop(KEY, "t2")]
    assert fresh.state(78) is State.REJECTED
    assert kinds(fresh.ask(105)) == ["Fail"]
    assert kinds(fresh.ask(106)) == ["StartMint"]


def test_g9_a_guess_makes_nothing_unusable() -> None:
    """An early re-ask for a key that stays the same: served on and on."""
    bench = unending()
    words = {"asker": (9, 77), "cache_ttl": 300.0}
    answers = [bench.ask(0, **words), bench.ask(1, **words)]
    answers.append(bench.mint(2, life=None, token="key"))
    answers += [bench.ask(second, **words) for second in range(3, 2000)]

    assert "Fail" not in {kind for answer in answers for kind in kinds(answer)}
    assert [kinds(answer) for answer in answers].count(["Serve", "StartMint"]) == 1


def test_g3_tokens_of_two_minutes_are_replaced_at_the_second_early_ask() -> None:
    """Cache time 240 s, six refusals within 34 s: after the first one there is another token."""
    bench = Bench()
    words = {"asker": (9, 77), "cache_ttl": 240.0, "min_remaining": 870.0}
    bench.ask(0, **words)
    bench.mint(0.2, life=120)
    assert kinds(bench.ask(1, **words)) == ["Serve", "StartMint"]
    bench.mint(1.2, life=120, token="t2")

    assert [bench.ask(at, **words) for at in (2, 4, 8, 16, 34)] == [
        [Serve(waiter, KEY, "t2", short=True)] for waiter in range(3, 8)
    ]


# When Claude Code 2.1.329 asked again while every request was refused: its helper (401 or 403 of a
# gateway, as 401 of Bedrock and Foundry), and the AWS SDK in it (403 of Bedrock), in seconds.
BY_HELPER = (1.0, 2.0, 4.4, 8.6, 17.8, 34.8, 74.6, 114.5, 149.5, 186.6, 223.5, 256.5)
BY_AWS_SDK = (0.6, 1.8, 4.2, 8.8, 18.4, 34.5, 67.1, 106.4, 141.0, 175.7, 208.4, 241.2)
REFUSALS = pytest.mark.parametrize(
    ("moments", "settling"), [(BY_HELPER, 0.0), (BY_AWS_SDK, 12.0)], ids=["helper", "aws-sdk"]
)
SINCE = pytest.mark.parametrize("since", [0, 1000], ids=["from-the-start", "later"])


def ask_again(
    bench: Bench, moments: Iterable[float], settling: float, since: float
) -> tuple[list[str], list[float]]:
    """Return what is served at each of these moments after the first refusal, and when a mint began.

    The asker had its token at 0, and is refused from *since* on.
    """
    words = {"asker": (9, 77), "cache_ttl": 300.0, "settling": settling}
    bench.ask(0, **words)
    bench.mint(0.1, life=36_000)
    served, mints = [], []
    for moment in (since + each for each in moments):
        for command in bench.ask(moment, **words):
            match command:
                case Serve(token_id=token):
                    served.append(token)
                case StartMint():
                    mints.append(moment - since)
                case _:
                    raise AssertionError(command)
        if bench.state(moment) is State.SUSPECT:
            bench.mint(moment + 0.3, life=36_000, token=f"t{len(mints) + 1}")
    return served, mints


@SINCE
@REFUSALS
def test_thirteen_asks_under_refusals_cost_two_mints_at_most(
    moments: tuple[float, ...], settling: float, since: float
) -> None:
    """Every token is refused: nobody is told of an error by us, and the source is not stormed."""
    served, mints = ask_again(Bench(), moments, settling, since)

    assert len(served) == len(moments)
    assert 1 <= len(mints) <= 2


@SINCE
@REFUSALS
def test_a_token_that_was_refused_is_replaced_within_the_patience_of_the_asker(
    moments: tuple[float, ...], settling: float, since: float
) -> None:
    """The ask after the one that said so gets the next token: for an SDK that has just settled, too."""
    served, mints = ask_again(Bench(), moments[:6], settling, since)

    # An ask a quarter of an hour after the last one is no early one, but the next is.
    seen = 18.4 if settling and not since else moments[since > 0]
    assert mints[0] == pytest.approx(seen)
    assert served[-1] == "t2"


def test_clients_that_share_no_answer_force_no_mint() -> None:
    """Claude Code before 2.1.207: five at the start, and each request asks anew."""
    bench = Bench()
    starts = (0, 0.1, 0.1, 0.2, 0.3)
    moments = [*(each - 0.2 for each in starts[1:]), *range(15, 600, 5)]
    _, mints = ask_again(bench, moments, 12.0, 0.2)

    assert mints == []


def test_g3_eight_sessions_under_one_401_and_a_status_line_cost_one_mint() -> None:
    """Whoever asks early, and how often; nobody is told of an error."""
    bench = Bench()
    starts, answers = 0, set()
    for tick in range(300):
        for session in range(8):
            commands = bench.ask(tick / 3, asker=(session, 1), cache_ttl=300.0)
            answers |= set(kinds(commands))
            if "StartMint" in kinds(commands):
                starts += 1
                bench.mint(tick / 3, life=3600, token=f"t{starts}")

    assert starts == 2
    assert answers == {"StartMint", "Serve"}


def test_g6_after_another_login_a_key_is_empty(fresh: Bench) -> None:
    """Nothing was minted on it: neither expired nor failed."""
    fresh.handle(GrantParked(grant="a", failure=LOGIN, drop=True), 1)
    fresh.handle(GrantCleared(grant="a"), 2)
    assert fresh.state(3) is State.EMPTY

    fresh.ask(4)
    fresh.mint(5)
    fresh.wake(80)
    fresh.fail(81, LOGIN)
    fresh.wake(200)
    fresh.handle(GrantCleared(grant="a"), 201)
    assert fresh.state(202) is State.EMPTY


def test_retry_after_is_never_undercut(bench: Bench) -> None:
    """The server's word counts more than our jitter, and than whoever asks."""
    bench.ask(0)
    bench.fail(0, Failure.of(Kind.PROVIDER_UNREACHABLE, "slow down", retry_after=120), jitter=0)

    assert {kind for second in range(120) for kind in kinds(bench.ask(second))} == {"Fail"}
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


@pytest.mark.parametrize(
    ("least", "left"), [(0.0, 900.0), (300.0, 900.0), (1200.0, 1200.0), (math.inf, 1800.0)]
)
def test_a_standing_wish_is_a_pace_without_any_request(least: float, left: float) -> None:
    """But never faster than half the life, as for a caller's wish."""
    bench = Bench(Plan(credential="a", epoch="e", grant="a", always=True, least=least))
    (start,) = bench.wake(0)
    assert isinstance(start, StartMint)
    bench.handle(
        Minted(
            key=KEY,
            flight=start.flight,
            token_id="1",
            issued_at=NOW,
            expires_at=NOW + 3600,
            jitter=0.0,
        ),
        0,
    )
    due = 3600 - left

    assert bench.machine.wake_at() == NOW + due
    assert bench.wake(due - 1) == []
    assert kinds(bench.wake(due)) == ["StartMint"]


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
    assert bench.machine._records.grant("gone").parked is None


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
    assert kinds(bench.ask(4 - back)) == ["Fail"]
    assert kinds(bench.ask(5 - back)) == ["StartMint"]
    bench.mint(5 - back)
    bench.wake(80 - back)
    bench.mint(80 - back, life=25, token="t1")
    later = -back - back
    assert bench.wake(80 + later) == []
    assert bench.due() == pytest.approx(105 + later)
    assert kinds(bench.wake(105 + later)) == ["Drop"]
    assert kinds(bench.ask(106 + later)) == ["StartMint"]


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

    # By itself at 2, 4, 8 … 300 s, half of that on average; and once for each ask.
    assert 10 <= calls <= 60 + 3600 / 10
    assert back is not None
    assert back <= 3600 + 300
    assert bench.ask(6000) == [Serve(bench.waiter, KEY, f"n{token}")]


@pytest.mark.slow
def test_t16_a_hundred_thousand_refreshes_leave_no_trace() -> None:
    """T16: refreshed ahead, forced, rejected and asked by ever new askers; nothing grows."""
    bench = Bench()
    machine, now = bench.machine, 0.0
    sizes = []
    for number in range(100_000):
        # Long lives, so that hardly a deadline of the past is ever reached.
        bench.ask(now, asker=("claude", number), cache_ttl=20.0, min_remaining=number % 977)
        if number % 300 != 2:
            bench.reject(now, f"t{number - 1}")
        elif machine._records.by_key[KEY].flight is None:
            now = bench.due()
            bench.wake(now)
        if machine._records.by_key[KEY].flight is None:
            bench.handle(Forced(key=KEY, waiter=-1 - number), now)
        bench.mint(now, life=1e6 + number, token=f"t{number}")
        now += 1
        if number % 20_000 == 19_999:
            records, inference = machine._records, machine._inference
            sizes.append(
                len(records._heap)
                + len(records.by_key)
                + len(records._waiting)
                + len(records._grants)
                + sum(len(each.needs.entries) for each in records.by_key.values())
                + len(inference._given)
                + len(inference._replaced)
                + len(machine._orphans)
                + len(machine._pauses._quiet_until)
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
