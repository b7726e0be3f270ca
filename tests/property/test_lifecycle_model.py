"""The lifecycle against an independent model: promises checked on any history of events.

The model keeps its own books of what was minted when and who waits; it asks the machine for no
judgement and shares no arithmetic with it.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from credward.errors import Failure, Kind
from credward.lifecycle.machine import Lifecycle
from credward.lifecycle.vocabulary import (
    Asked,
    Command,
    Configured,
    Drop,
    Event,
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
    TokenKey,
    WaiterLeft,
    Woke,
)

KEYS = [
    TokenKey("a", "e"),
    TokenKey("b", "e"),
    TokenKey("c", "e"),
    TokenKey("a", "e", audience="x"),
]
GRANT_OF = {"a": "shared", "b": "shared", "c": "own"}
ROTATING = {"shared"}
RETRY = Failure.of(Kind.PROVIDER_UNREACHABLE, "down")
LOGIN = Failure.of(Kind.LOGIN_REQUIRED, "log in")
BROKEN = Failure.of(Kind.FIX_CONFIGURATION, "mend it")
ASKERS = [None, ("claude", 1), ("claude", 2)]

keys = st.sampled_from(KEYS)
jitters = st.floats(0, 0.999)


class LifecycleModel(RuleBasedStateMachine):
    """Books of the outside world."""

    @initialize()
    def begin(self) -> None:
        self.machine = Lifecycle()
        self.now = 1_800_000_000.0
        self.next_id = 0
        self.ends: dict[str, float] = {}
        self.lives: dict[TokenKey, list[float]] = {key: [] for key in KEYS}
        self.held: set[tuple[TokenKey, str]] = set()
        self.flying: dict[TokenKey, int] = {}
        self.waiting: dict[int, TokenKey] = {}
        self.parked: set[str] = set()
        self.minted_at: dict[TokenKey, float] = {}
        self.failed_at: dict[TokenKey, float] = {}
        self.may_start_unasked = False
        self.forced_for: list[str] = []
        plans = tuple(
            Plan(credential=name, epoch="e", grant=grant, rotating=grant in ROTATING)
            for name, grant in GRANT_OF.items()
        )
        self.send(Configured(plans=plans))

    # --- events ---------------------------------------------------------------------------------

    @rule(
        key=keys, wish=st.sampled_from([0.0, 5.0, 60.0, 1000.0, 1e6]), asker=st.sampled_from(ASKERS)
    )
    def ask(self, key: TokenKey, wish: float, asker: object) -> None:
        self.next_id += 1
        waiter = self.next_id
        self.waiting[waiter] = key
        ttl = 30.0 if asker else None
        commands = self.send(
            Asked(key=key, waiter=waiter, min_remaining=wish, asker=asker, cache_ttl=ttl)  # type: ignore[arg-type]
        )
        # An ask that nobody is flying for must have been answered now.
        if waiter in self.waiting:
            grant = GRANT_OF[key.credential]
            assert self.flies_for(key) or (grant in ROTATING and self.flies_on(grant)), commands

    @rule(key=keys)
    def force(self, key: TokenKey) -> None:
        self.next_id += 1
        self.waiting[self.next_id] = key
        self.send(Forced(key=key, waiter=self.next_id), forced=True)

    @rule(key=keys)
    def reject(self, key: TokenKey) -> None:
        tokens = [token for owner, token in self.held if owner == key]
        for token in tokens:
            commands = self.send(Rejected(key=key, token_id=token), forced=True)
            starts = [command for command in commands if isinstance(command, StartMint)]
            assert not (starts and token in self.forced_for)
            self.forced_for += [token] * len(starts)

    @precondition(lambda self: self.flying)
    @rule(
        data=st.data(),
        life=st.sampled_from([-5.0, 0.0, 3.0, 60.0, 600.0, 7200.0, None]),
        jitter=jitters,
        took=st.floats(0, 20),
    )
    def land(self, data: st.DataObject, life: float | None, jitter: float, took: float) -> None:
        key = data.draw(st.sampled_from(sorted(self.flying, key=repr)))
        self.now += took
        self.next_id += 1
        token = f"t{self.next_id}"
        ends = float("inf") if life is None else self.now + life
        self.ends[token] = ends
        flight = self.flying.pop(key)
        if ends > self.now:
            self.held.add((key, token))
            self.lives[key].append(ends - self.now)
            self.minted_at[key] = self.now
            self.failed_at.pop(key, None)
        else:
            self.failed_at[key] = self.now
        self.send(
            Minted(
                key=key,
                flight=flight,
                token_id=token,
                issued_at=self.now,
                expires_at=None if life is None else ends,
                jitter=jitter,
            )
        )

    @rule(
        key=keys,
        life=st.sampled_from([3.0, 60.0, 600.0, 7200.0]),
        age=st.sampled_from([-3600.0, -0.1, 0.0, 1.0, 59.0, 590.0, 7000.0, 90_000.0]),
        jitter=jitters,
    )
    def restore(self, key: TokenKey, life: float, age: float, jitter: float) -> None:
        """A token of an earlier life, of a clock that may have been ahead of ours."""
        self.next_id += 1
        token = f"t{self.next_id}"
        minted_at = self.now - age
        self.ends[token] = min(minted_at, self.now) + life
        idle = key not in self.flying and not any(owner == key for owner, _ in self.held)
        self.held.add((key, token))
        commands = self.send(
            Restored(
                key=key,
                token_id=token,
                issued_at=minted_at,
                expires_at=minted_at + life,
                minted_at=minted_at,
                jitter=jitter,
            )
        )
        if (key, token) in self.held:
            assert idle, "a better one was there"
            assert self.ends[token] > self.now, "expired"
            assert commands == []
            self.lives[key].append(life)
            self.minted_at[key] = min(minted_at, self.now)

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), failure=st.sampled_from([RETRY, RETRY, LOGIN, BROKEN]), jitter=jitters)
    def fail(self, data: st.DataObject, failure: Failure, jitter: float) -> None:
        key = data.draw(st.sampled_from(sorted(self.flying, key=repr)))
        flight = self.flying.pop(key)
        self.failed_at[key] = self.now
        if failure is LOGIN:
            self.parked.add(GRANT_OF[key.credential])
        self.send(MintFailed(key=key, flight=flight, failure=failure, jitter=jitter))

    @rule(grant=st.sampled_from(sorted(set(GRANT_OF.values()))))
    def log_in(self, grant: str) -> None:
        self.parked.discard(grant)
        for key in KEYS:
            if GRANT_OF[key.credential] == grant:
                self.failed_at.pop(key, None)
        self.send(GrantCleared(grant=grant))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(sorted(self.waiting)))
        del self.waiting[waiter]
        assert self.send(WaiterLeft(waiter=waiter)) == []

    # --- time -----------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 30.0, 600.0, 90_000.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.send(Woke())

    @rule()
    def jump_to_the_next_deadline(self) -> None:
        wake_at = self.machine.wake_at()
        if wake_at is not None:
            self.now = max(self.now, wake_at)
        self.send(Woke())

    @precondition(lambda self: self.held)
    @rule(data=st.data(), before=st.sampled_from([-0.01, 0.0, 0.01, 1.0]))
    def jump_to_an_end(self, data: st.DataObject, before: float) -> None:
        _key, token = data.draw(st.sampled_from(sorted(self.held, key=repr)))
        if self.ends[token] != float("inf"):
            self.now = max(self.now, self.ends[token] - before)

    @rule(seconds=st.sampled_from([2.0, 60.0, 3600.0, 86_400.0]))
    def set_the_clock_back(self, seconds: float) -> None:
        """T13: nobody knows which clock was right: what is served must be valid by both."""
        self.now -= seconds
        self.minted_at = {key: at - seconds for key, at in self.minted_at.items()}
        self.failed_at = {key: at - seconds for key, at in self.failed_at.items()}
        self.ends = {token: at - seconds for token, at in self.ends.items()}
        self.send(Woke())

    @rule(seconds=st.sampled_from([3600.0, 86_400.0]))
    def set_the_clock_ahead(self, seconds: float) -> None:
        self.now += seconds
        self.send(Woke())

    @rule(seconds=st.sampled_from([0.001, 0.1, 0.4]))
    def trim_the_clock(self, seconds: float) -> None:
        """T13: slow skew; each correction alone is too small to be noticed."""
        self.now -= seconds
        self.minted_at = {key: at - seconds for key, at in self.minted_at.items()}
        self.failed_at = {key: at - seconds for key, at in self.failed_at.items()}
        self.send(Woke())

    @rule(grant=st.sampled_from(sorted(set(GRANT_OF.values()))))
    def restore_parking(self, grant: str) -> None:
        self.parked.add(grant)
        self.send(GrantParked(grant=grant, failure=LOGIN))

    @rule(key=keys)
    def wait_out_every_pause(self, key: TokenKey) -> None:
        """T13, T15: no standstill, whatever the clock did before: an hour on, asks are heard."""
        self.now += 3602.0
        self.send(Woke())
        self.next_id += 1
        self.waiting[self.next_id] = key
        (*_, answer) = self.send(Asked(key=key, waiter=self.next_id)) or [None]
        if GRANT_OF[key.credential] in self.parked:
            assert isinstance(answer, Serve | Fail)
        else:
            assert not isinstance(answer, Fail)

    # --- the promises ---------------------------------------------------------------------------

    def send(self, event: Event, *, forced: bool = False) -> list[Command]:
        commands = self.machine.handle(event, self.now)
        forced = forced or (isinstance(event, Asked) and event.asker is not None)
        for command in commands:
            match command:
                case StartMint(key=key, flight=flight):
                    self.starts(key, flight, forced=forced or bool(self.forced_waits(key)))
                case Serve():
                    self.serves(command)
                case Fail(waiter=waiter):
                    assert waiter in self.waiting
                    del self.waiting[waiter]
                case Drop(key=key, token_id=token):
                    self.held.discard((key, token))
                case Park(grant=grant):
                    assert grant in self.parked
        return commands

    def starts(self, key: TokenKey, flight: int, *, forced: bool) -> None:
        grant = GRANT_OF[key.credential]
        assert key not in self.flying, "two flights for one key"
        assert grant not in self.parked, "a flight on a parked grant"
        if grant in ROTATING:
            assert not self.flies_on(grant), "two flights on one rotating grant"
        if not forced and key in self.failed_at:
            assert self.now - self.failed_at[key] >= 0.49, "no back-off"
        if not forced and key in self.minted_at:
            assert self.is_due(key), "a storm"
        self.flying[key] = flight

    def is_due(self, key: TokenKey) -> bool:
        """Whether a mint that nobody forces may follow the last one by now, at a glance."""
        longest = max(self.lives[key][-8:])
        left = [self.ends[token] - self.now for owner, token in self.held if owner == key]
        short = max(left, default=0.0) < min(30.0, longest / 10) + 0.01
        # A token within its first tenth of a life, or five seconds, is left alone.
        return short or self.now - self.minted_at[key] >= min(5.0, longest / 2) - 0.01

    def serves(self, command: Serve) -> None:
        assert self.waiting.pop(command.waiter) == command.key
        assert (command.key, command.token_id) in self.held, "a token of another key, or dropped"
        remaining = self.ends[command.token_id] - self.now
        assert remaining > 0, "an expired token"

    def forced_waits(self, key: TokenKey) -> bool:
        """Whether somebody's forced ask may be what a queued flight is for."""
        return GRANT_OF[key.credential] in ROTATING

    def flies_for(self, key: TokenKey) -> bool:
        return key in self.flying

    def flies_on(self, grant: str) -> bool:
        return any(GRANT_OF[key.credential] == grant for key in self.flying)

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        if not hasattr(self, "machine"):
            return
        for waiter, key in self.waiting.items():
            assert self.flies_for(key) or self.flies_on(GRANT_OF[key.credential]), waiter

    @invariant()
    def an_extra_wake_up_is_harmless(self) -> None:
        if hasattr(self, "machine"):
            self.send(Woke())
            assert self.machine.handle(Woke(), self.now) == []

    def teardown(self) -> None:
        if not hasattr(self, "machine"):
            return
        for _ in range(100):
            if not self.flying:
                break
            key, flight = self.flying.popitem()
            self.send(MintFailed(key=key, flight=flight, failure=RETRY, jitter=0.5))
        assert self.waiting == {}, "somebody was never answered"


TestLifecycleModel = LifecycleModel.TestCase
# A nightly run sets CREDWARD_REQUIRE_THOROUGH=1.
_THOROUGH = bool(os.environ.get("CREDWARD_REQUIRE_THOROUGH"))
TestLifecycleModel.settings = settings(
    max_examples=3000 if _THOROUGH else 150,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
