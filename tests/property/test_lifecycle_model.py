"""The lifecycle against an independent model: promises checked on any history of events.

The model keeps its own books of what was minted when and who waits; it asks the machine for no
judgement and shares no arithmetic with it.
"""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from credward.errors import Failure, Kind
from credward.lifecycle.machine import Lifecycle
from credward.lifecycle.vocabulary import (
    Accepted,
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
    Reason,
    Rejected,
    Restored,
    Serve,
    StartMint,
    StoreOpened,
    TokenKey,
    TokensDropped,
    WaiterLeft,
    Woke,
)
from examples import examples

KEYS = [
    TokenKey("a", "e"),
    TokenKey("b", "e"),
    TokenKey("c", "e"),
    TokenKey("a", "e", audience="x"),
    TokenKey("d", "e"),
]
GRANT_OF = {"a": "shared", "b": "shared", "c": "own", "d": "foreign"}
ROTATING = {"shared"}
# Of this one another tool keeps the login.
FOREIGN = "foreign"
UPSTREAM_OF = {"a": "first", "b": "first", "c": "first", "d": "second"}
RETRY = Failure.of(Kind.PROVIDER_UNREACHABLE, "down")
SLOW_DOWN = Failure.of(Kind.RATE_LIMITED, "slow down", retry_after=40.0)
LOGIN = Failure.of(Kind.LOGIN_REQUIRED, "log in")
BROKEN = Failure.of(Kind.FIX_CONFIGURATION, "mend it")
MISSING = Failure.of(Kind.FIX_CONFIGURATION, "put it there", local=True)
LOCKED = Failure.of(Kind.STORE_LOCKED, "unlock")
# Not of a mint: what was reported of a token keeps its key from being tried.
REPORTED = Failure.of(Kind.PROVIDER_REFUSED, "it is refused where it is used")
# This one asks by an SDK, so that what it asks at its start, and at once, means nothing.
SETTLING = {("claude", 3): 12.0}
ASKERS = [None, ("claude", 1), ("claude", 2), *SETTLING]
# A source that has one key gives this, whatever the audience, and it has no end.
KEY_ITSELF = "the key of {}"

INFINITE = float("inf")
RARE = ["log out", "park", "lock", "unlock", "back", "ahead", "trim", "wait"]

keys = st.sampled_from(KEYS)
grants = st.sampled_from(sorted(set(GRANT_OF.values())))
jitters = st.floats(0, 0.999)


def siblings(key: TokenKey) -> list[TokenKey]:
    """Return the keys of the same credential."""
    return [each for each in KEYS if each.credential == key.credential]


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
        self.failures: dict[TokenKey, Failure] = {}
        self.started_at: dict[TokenKey, float] = {}
        self.slow: set[TokenKey] = set()
        self.probed_at: dict[str, float] = {}
        # Flights whose token is for nobody, and those whose failure counts for nothing.
        self.lost: list[tuple[TokenKey, int]] = []
        self.outdated: set[TokenKey] = set()
        # What was reported of tokens: until when each is not to be handed out.
        self.banned: dict[str, float] = {}
        # And until when a key gives nothing at all.
        self.closed: dict[TokenKey, float] = {}
        # Tokens that were minted because another one was reported, and what was reported last of
        # each key: the token, and whether another one may help.
        self.minted_for_report: set[tuple[TokenKey, str]] = set()
        self.reported: dict[TokenKey, tuple[str, bool]] = {}
        # When each came to a key that did not hold it: that it comes again makes it no younger.
        self.came_at: dict[tuple[TokenKey, str], float] = {}
        self.reports: dict[str, tuple[str, bool]] = {}
        self.guessed: set[str] = set()
        # What each asker was served last of a credential; of which tokens one wants another, and
        # which came when they were there already.
        self.asker_of: dict[int, object] = {}
        self.given: dict[tuple[object, str], str] = {}
        # When each was served that for the first time and the last time, and who was served twice
        # within a moment.
        self.given_first: dict[tuple[object, str], float] = {}
        self.given_last: dict[tuple[object, str], float] = {}
        self.several: set[tuple[object, str]] = set()
        self.early: set[tuple[TokenKey, str]] = set()
        # Tokens instead of which another one was wanted, and those of them that came again.
        self.unwanted: set[str] = set()
        self.again: set[str] = set()
        plans = tuple(
            Plan(
                credential=name,
                epoch="e",
                grant=grant,
                rotating=grant in ROTATING,
                login=grant != FOREIGN,
                upstream=UPSTREAM_OF[name],
            )
            for name, grant in GRANT_OF.items()
        )
        self.send(Configured(plans=plans))

    # --- events ---------------------------------------------------------------------------------

    @rule(
        key=keys, wish=st.sampled_from([0.0, 5.0, 60.0, 1000.0, 1e6]), asker=st.sampled_from(ASKERS)
    )
    def ask(self, key: TokenKey, wish: float, asker: object) -> None:
        self.asks(key, wish, asker)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), wish=st.sampled_from([0.0, 60.0]), asker=st.sampled_from(ASKERS))
    def ask_for_what_is_held(self, data: st.DataObject, wish: float, asker: object) -> None:
        key, _ = data.draw(st.sampled_from(sorted(self.held, key=repr)))
        self.asks(key, wish, asker)

    @precondition(lambda self: self.failures)
    @rule(data=st.data(), after=st.sampled_from([0.0, 0.6, 4.9, 5.0, 39.0]))
    def ask_for_what_failed(self, data: st.DataObject, after: float) -> None:
        self.now += after
        self.asks(data.draw(st.sampled_from(sorted(self.failures, key=repr))), 0.0, None)

    @precondition(lambda self: self.failures)
    @rule(data=st.data())
    def come_back_when_told(self, data: st.DataObject) -> None:
        """Whoever waits for as long as it was told is not sent away again, if nothing came between."""
        key = data.draw(st.sampled_from(sorted(self.failures, key=repr)))
        for last in (False, True):
            self.next_id += 1
            self.waiting[self.next_id] = key
            idle = not self.waits_for(key)
            commands = self.send(Asked(key=key, waiter=self.next_id))
            if not self.may_be_told(key, idle=idle):
                return
            if not (commands and isinstance(commands[0], Fail)):
                if not last and key in self.flying:
                    self.probes(key, -INFINITE)
                return
            assert not last, "told too little"
            pause = commands[0].failure.retry_after
            assert pause is not None
            self.now += pause + 0.001

    @precondition(lambda self: set(self.flying) & set(self.failures))
    @rule(data=st.data(), jitter=jitters)
    def fail_again(self, data: st.DataObject, jitter: float) -> None:
        """So that pauses become long."""
        again = sorted(set(self.flying) & set(self.failures), key=repr)
        self.fails(data.draw(st.sampled_from(again)), RETRY, jitter)

    def asks(self, key: TokenKey, wish: float, asker: object) -> None:
        self.next_id += 1
        waiter = self.next_id
        self.waiting[waiter] = key
        self.asker_of[waiter] = asker
        last = self.given.get((asker, key.credential))
        if asker and last is not None and (key, last) in self.held:
            self.early.add((key, last))
            self.unwanted.add(last)
        ttl, settling = 30.0 if asker else None, SETTLING.get(asker, 0.0)  # type: ignore[call-overload]
        unsettled = settling and self.is_unsettled((asker, key.credential), settling)
        idle = not self.waits_for(key)
        due_at = self.due_at(key)
        commands = self.send(
            Asked(
                key=key,
                waiter=waiter,
                min_remaining=wish,
                asker=asker,  # type: ignore[arg-type]
                cache_ttl=ttl,
                settling=settling,
            )
        )
        if idle and key in self.failures and [type(command) for command in commands] == [StartMint]:
            self.probes(key, due_at)
        if commands and isinstance(commands[0], Fail) and self.may_be_told(key, idle=idle):
            pause = commands[0].failure.retry_after
            assert pause is not None
            assert 0 < pause <= max(due_at + 30.01 - self.now, 0.0), "not its turn for too long"
        if [type(command) for command in commands[:2]] == [Serve, StartMint] and asker:
            token = commands[0].token_id  # type: ignore[union-attr]
            assert token not in self.guessed, "two mints for one guess"
            assert not unsettled, "a guess by what says nothing"
            self.guessed.add(token)
        # An ask that nobody is flying for must have been answered now.
        if waiter in self.waiting:
            assert self.waits_for(key), commands

    def is_unsettled(self, whose: tuple[object, str], settling: float) -> bool:
        """Whether an ask of theirs says nothing, for all that was seen."""
        fresh = self.now < self.given_first.get(whose, self.now) + settling - 0.01
        return fresh or whose in self.several

    @rule(key=keys)
    def force(self, key: TokenKey) -> None:
        self.next_id += 1
        self.waiting[self.next_id] = key
        if GRANT_OF[key.credential] == FOREIGN:
            self.parked.discard(FOREIGN)
        if GRANT_OF[key.credential] not in self.parked:
            for other in siblings(key):
                if other in self.reported:
                    self.succeeded(other)
                self.unban(other)
                self.believe(other)
        self.send(Forced(key=key, waiter=self.next_id), forced=True)

    @precondition(lambda self: self.held)
    @rule(
        data=st.data(),
        reason=st.sampled_from([Reason.UNAUTHORIZED, *Reason]),
        until=st.sampled_from([None, None, -5.0, 50.0, 1000.0]),
    )
    def report(self, data: st.DataObject, reason: Reason, until: float | None) -> None:
        key, token = data.draw(st.sampled_from(sorted(self.held, key=repr)))
        self.reports_that(key, token, reason, until)

    @rule(
        key=keys,
        asker=st.sampled_from(ASKERS[1:]),
        ended=st.sampled_from(["", "force", "take", "log in"]),
    )
    def doubt_the_only_key(self, key: TokenKey, asker: object, ended: str) -> None:
        """An agent wants another one, and there is none: that is told, and nobody is refused."""
        token = KEY_ITSELF.format(key.credential)
        self.asks(key, 0.0, asker)
        if key in self.flying and GRANT_OF[key.credential] not in self.parked:
            self.lands(key, None, 0.5)
        self.now += 1.0
        guessed = set(self.guessed)
        self.asks(key, 0.0, asker)
        self.asks(key, 0.0, asker)
        if token in guessed or token not in self.guessed or key not in self.flying:
            return
        self.lands(key, None, 0.5)
        if self.is_banned(token):
            return
        assert self.doubted(key.credential), "nobody is told"
        self.asks(key, 0.0, None)
        assert (key, token) in self.held
        match ended:
            case "force":
                self.force(key)
            case "take":
                self.take(key, token)
            case "log in":
                self.log_in(GRANT_OF[key.credential], "login")

    @rule(key=keys, at_once=st.integers(0, 2), after=st.sampled_from([1.0, 11.9, 12.0]))
    def ask_by_an_sdk(self, key: TokenKey, at_once: int, after: float) -> None:
        """An agent's clients start, and later one of them wants a token anew."""
        (asker,) = SETTLING
        self.asks(key, 0.0, asker)
        if key in self.flying and GRANT_OF[key.credential] not in self.parked:
            self.lands(key, 600.0, 0.5)
        for _ in range(at_once):
            self.asks(key, 0.0, asker)
        self.now += after
        self.asks(key, 0.0, asker)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def take_what_is_held(self, data: st.DataObject) -> None:
        """A service says that a token is good."""
        self.take(*data.draw(st.sampled_from(sorted(self.held, key=repr))))

    def take(self, key: TokenKey, token: str) -> None:
        for each in siblings(key):
            self.early.discard((each, token))
        self.guessed.discard(token)
        self.unwanted.discard(token)
        self.again.discard(token)
        assert self.send(Accepted(credential=key.credential, token_id=token)) == []

    def believe(self, key: TokenKey) -> None:
        """What was doubted of it is forgotten."""
        self.early = {each for each in self.early if each[0] != key}

    def doubted(self, credential: str) -> bool:
        return self.machine.view(credential, self.now).doubt is not None

    def may_be_doubted(self, credential: str) -> bool:
        """Whether one of its tokens came again, and somebody had it before and wants another."""
        return any(
            key.credential == credential and (key, token) in self.early and token in self.again
            for key, token in self.held
        )

    @rule(
        key=keys,
        reasons=st.tuples(st.sampled_from([*Reason]), st.sampled_from([*Reason])),
        after=st.sampled_from([1.0, 31.0, 121.0]),
    )
    def report_the_only_key(
        self, key: TokenKey, reasons: tuple[Reason, Reason], after: float
    ) -> None:
        """Handed out under each audience; reported, given once more after a pause, and again."""
        token = KEY_ITSELF.format(key.credential)
        for reason in reasons:
            for each in siblings(key):
                self.asks(each, 0.0, None)
                if each in self.flying:
                    self.lands(each, None, 0.5)
            if (key, token) in self.held:
                self.reports_that(key, token, reason, None)
            self.now += after

    def reports_that(self, key: TokenKey, token: str, reason: Reason, until: float | None) -> None:
        """What was reported is handed out no more, to no key.

        One mint for each key that held it at most, and none where another one was no help.
        """
        at = None if until is None or until < 0 else self.now + until
        holders = [each for each in siblings(key) if (each, token) in self.held]
        no_help = {each for each in holders if self.was_no_help(each, token)}
        busy = {each for each in holders if each in self.flying}
        commands = self.send(
            Rejected(
                credential=key.credential,
                token_id=token,
                reason=reason,
                until=None if until is None else self.now + until,
            ),
            forced=True,
        )
        starts = [command.key for command in commands if isinstance(command, StartMint)]
        assert not any(held == token for owner, held in self.held if owner in holders)
        helps = reason in {Reason.UNAUTHORIZED, Reason.REVOKED}
        assert len(starts) == len(set(starts))
        assert set(starts) <= (set(holders) - busy - no_help if helps else set())
        for each in set(holders) - no_help - set(self.failures):
            if helps and GRANT_OF[each.credential] not in self.parked:
                assert self.waits_for(each), "no other token is fetched"
        if at is None and not helps:
            at = self.now + 30.0
        for each in holders:
            if at is not None and not helps:
                self.closed[each] = at
            self.reported[each] = self.reports[token] = (token, helps)
            if not helps or each in no_help:
                self.failures[each] = REPORTED
        if at is not None:
            self.banned[token] = at
        elif no_help == set(holders):
            # After that it may be tried once more.
            self.banned[token] = self.now + min(self.spacing(each) for each in holders) - 0.01
        elif self.ends[token] == float("inf"):
            self.banned[token] = float("inf")

    def was_no_help(self, key: TokenKey, token: str) -> bool:
        """Whether it was minted just now in place of another one that was reported."""
        if (key, token) not in self.minted_for_report:
            return False
        age = self.now - self.came_at[key, token]
        return age < min(30.0, max(self.lives[key][-8:]) / 2)

    def spacing(self, key: TokenKey) -> float:
        return min(120.0, max(self.lives[key][-8:]) / 2)

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
        self.lands(key, life, jitter)

    def lands(self, key: TokenKey, life: float | None, jitter: float) -> None:
        self.next_id += 1
        token = f"t{self.next_id}" if life is not None else KEY_ITSELF.format(key.credential)
        ends = float("inf") if life is None else self.now + life
        self.ends[token] = ends
        if token in self.unwanted:
            self.again.add(token)
        flight = self.flying.pop(key)
        self.outdated.discard(key)
        if ends > self.now:
            is_new = (key, token) not in self.held
            self.held.add((key, token))
            if self.is_banned(token):
                self.reported[key] = self.reports[token]
                self.failures[key] = REPORTED
            elif self.closed.get(key, self.now) <= self.now:
                self.lives[key].append(ends - self.now)
                self.minted_at[key] = self.now
                self.succeeded(key)
                before, helps = self.reported.pop(key, (token, False))
                if is_new:
                    self.came_at[key, token] = self.now
                    self.minted_for_report.discard((key, token))
                if helps and before != token:
                    self.minted_for_report.add((key, token))
            self.probed_at.pop(UPSTREAM_OF[key.credential], None)
        else:
            self.failed(key, RETRY)
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

    @precondition(lambda self: self.refreshing())
    @rule(data=st.data())
    def land_what_is_held_but_ended(self, data: st.DataObject) -> None:
        """A source takes back what it said of a token: it is believed."""
        key, token = data.draw(st.sampled_from(self.refreshing()))
        self.outdated.discard(key)
        self.failed(key, RETRY)
        self.send(
            Minted(
                key=key,
                flight=self.flying.pop(key),
                token_id=token,
                issued_at=self.now - 10,
                expires_at=self.now - 5,
                jitter=0.5,
            )
        )
        assert (key, token) not in self.held

    def refreshing(self) -> list[tuple[TokenKey, str]]:
        return sorted((each for each in self.held if each[0] in self.flying), key=repr)

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
            assert key not in self.reported, "nothing is handed out"
            assert self.ends[token] > self.now, "expired"
            assert commands == []
            self.lives[key].append(life)
            self.minted_at[key] = min(minted_at, self.now)

    @precondition(lambda self: self.flying)
    @rule(
        data=st.data(),
        failure=st.sampled_from([RETRY, RETRY, SLOW_DOWN, LOGIN, BROKEN, MISSING, LOCKED]),
        jitter=jitters,
        took=st.sampled_from([0.0, 0.0, 3.0]),
    )
    def fail(self, data: st.DataObject, failure: Failure, jitter: float, took: float) -> None:
        key = data.draw(st.sampled_from(sorted(self.flying, key=repr)))
        self.now += took
        self.fails(key, failure, jitter)

    def fails(self, key: TokenKey, failure: Failure, jitter: float) -> None:
        flight = self.flying.pop(key)
        again = (
            key in self.outdated
            and failure in {LOGIN, BROKEN, MISSING}
            and GRANT_OF[key.credential] not in self.parked
        )
        self.outdated.discard(key)
        if not again:
            self.failed(key, failure)
            if failure is LOGIN:
                self.parked.add(GRANT_OF[key.credential])
        commands = self.send(
            MintFailed(key=key, flight=flight, failure=failure, jitter=jitter), forced=again
        )
        if again:
            assert key in self.flying, "what failed is what was there before"
            assert not any(isinstance(command, Fail) for command in commands)

    @precondition(lambda self: self.lost)
    @rule(data=st.data(), well=st.booleans(), life=st.sampled_from([-5.0, 60.0, None]))
    def land_for_nobody(self, data: st.DataObject, well: bool, life: float | None) -> None:
        """A flight that was out when everything was dropped: nobody is served, nothing is parked.

        Nothing that is held is taken away for it, were it the same token.
        """
        held = {key for key, _ in self.held}
        again = [each for each in self.lost if each[0] in held]
        key, flight = data.draw(st.sampled_from(again or self.lost))
        self.lost.remove((key, flight))
        self.next_id += 1
        mine = sorted(token for owner, token in self.held if owner == key)
        token = data.draw(
            st.sampled_from([f"t{self.next_id}", KEY_ITSELF.format(key.credential), *mine])
        )
        before = set(self.held)
        if well:
            self.held.add((key, token))
            self.send(
                Minted(
                    key=key,
                    flight=flight,
                    token_id=token,
                    issued_at=self.now,
                    expires_at=None if life is None else self.now + life,
                    jitter=0.5,
                )
            )
            assert self.held == before
        else:
            self.send(MintFailed(key=key, flight=flight, failure=LOGIN, jitter=0.5))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def ask_after_a_lock(self, data: st.DataObject) -> None:
        """So that two flights are out for one key, the first of them for nobody."""
        key = data.draw(st.sampled_from(sorted(self.flying, key=repr)))
        self.lock()
        self.unlock()
        self.asks(key, 0.0, None)

    @rule(grant=grants, what=st.sampled_from(["login", "login of another", "same secret"]))
    def log_in(self, grant: str, what: str) -> None:
        """Or have a secret allowed: then what was reported of it stays so."""
        self.parked.discard(grant)
        for key in KEYS:
            if GRANT_OF[key.credential] == grant:
                self.succeeded(key)
                if what != "same secret":
                    self.unban(key)
                    self.believe(key)
                if key in self.flying:
                    self.outdated.add(key)
        another = what == "login of another"
        self.send(GrantCleared(grant=grant, drop=another, same_secret=what == "same secret"))
        if another:
            self.forget_tokens(grant)

    def forget_tokens(self, grant: str) -> None:
        assert not any(GRANT_OF[key.credential] == grant for key, _ in self.held)
        self.minted_at = {
            key: at for key, at in self.minted_at.items() if GRANT_OF[key.credential] != grant
        }

    @rule(data=st.data())
    def something_rare(self, data: st.DataObject) -> None:
        """Together as often as any other: each of them ends much of what was going on."""
        match data.draw(st.sampled_from(RARE)):
            case "log out":
                self.log_out(data.draw(grants))
            case "park":
                self.restore_parking(data.draw(grants))
            case "lock":
                self.lock()
            case "unlock":
                self.unlock()
            case "back":
                self.set_the_clock_back(data.draw(st.sampled_from([2.0, 60.0, 3600.0, 86_400.0])))
            case "ahead":
                self.set_the_clock_ahead(data.draw(st.sampled_from([3600.0, 86_400.0])))
            case "trim":
                self.trim_the_clock(data.draw(st.sampled_from([0.001, 0.1, 0.4])))
            case "wait":
                self.wait_out_every_pause(data.draw(keys))

    def log_out(self, grant: str) -> None:
        """Its tokens are handed out no more."""
        self.parked.add(grant)
        self.send(GrantParked(grant=grant, failure=LOGIN, drop=True))
        self.forget_tokens(grant)

    def lock(self) -> None:
        """Nothing is held, nobody waits, and what is out is for nobody."""
        self.lost += self.flying.items()
        self.flying = {}
        self.outdated, self.minted_at = set(), {}
        self.send(TokensDropped(failure=LOCKED))
        assert (self.held, self.waiting) == (set(), {})

    def unlock(self) -> None:
        for key in [key for key, failure in self.failures.items() if failure is LOCKED]:
            self.succeeded(key)
        self.send(StoreOpened())

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(sorted(self.waiting)))
        del self.waiting[waiter]
        assert self.send(WaiterLeft(waiter=waiter)) == []

    # --- time -----------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 5.0, 30.0, 30.0, 600.0, 90_000.0]))
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

    def set_the_clock_back(self, seconds: float) -> None:
        """T13: nobody knows which clock was right: what is served must be valid by both."""
        self.now -= seconds
        self.move_back(seconds)
        self.ends = {token: at - seconds for token, at in self.ends.items()}
        self.banned = {token: at - seconds for token, at in self.banned.items()}
        self.closed = {key: at - seconds for key, at in self.closed.items()}
        self.send(Woke())

    def set_the_clock_ahead(self, seconds: float) -> None:
        self.now += seconds
        self.send(Woke())

    def trim_the_clock(self, seconds: float) -> None:
        """T13: slow skew; each correction alone is too small to be noticed."""
        self.now -= seconds
        self.move_back(seconds)
        self.send(Woke())

    def move_back(self, seconds: float) -> None:
        self.minted_at = {key: at - seconds for key, at in self.minted_at.items()}
        self.came_at = {each: at - seconds for each, at in self.came_at.items()}
        self.failed_at = {key: at - seconds for key, at in self.failed_at.items()}
        self.started_at = {key: at - seconds for key, at in self.started_at.items()}
        self.probed_at = {name: at - seconds for name, at in self.probed_at.items()}
        self.given_first = {each: at - seconds for each, at in self.given_first.items()}
        self.given_last = {each: at - seconds for each, at in self.given_last.items()}

    def restore_parking(self, grant: str) -> None:
        self.parked.add(grant)
        self.send(GrantParked(grant=grant, failure=LOGIN))

    def wait_out_every_pause(self, key: TokenKey) -> None:
        """T13, T15: no standstill, whatever the clock did before: an hour on, asks are heard."""
        self.now += 3602.0
        self.send(Woke())
        self.next_id += 1
        self.waiting[self.next_id] = key
        (*_, answer) = self.send(Asked(key=key, waiter=self.next_id)) or [None]
        if GRANT_OF[key.credential] in self.parked:
            assert isinstance(answer, Serve | Fail)
        elif key not in self.slow or not self.waits_for(key):
            assert not isinstance(answer, Fail)

    # --- the promises ---------------------------------------------------------------------------

    def send(self, event: Event, *, forced: bool = False) -> list[Command]:
        commands = self.machine.handle(event, self.now)
        forced = forced or self.may_be_a_guess(event, commands)
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

    def may_be_a_guess(self, event: Event, commands: list[Command]) -> bool:
        """Whether a mint may be for a token that an early ask makes suspect."""
        match event, [type(command) for command in commands[:2]]:
            case Asked(), [kind, other]:
                return (kind, other) == (Serve, StartMint)
            case Asked(asker=asker, key=key), [kind] if asker is not None and kind is StartMint:
                # It wants more than is left besides, so that it waits.
                return any(owner == key and held not in self.guessed for owner, held in self.held)
            case _:
                return False

    def starts(self, key: TokenKey, flight: int, *, forced: bool) -> None:
        grant = GRANT_OF[key.credential]
        assert key not in self.flying, "two flights for one key"
        assert grant not in self.parked, "a flight on a parked grant"
        if grant in ROTATING:
            assert not self.flies_on(grant), "two flights on one rotating grant"
        if not forced and key in self.failed_at:
            paused = self.now - self.failed_at[key]
            # What waits for a login is kept by its parking, and that is over.
            backs_off = self.is_down(key) and self.failures[key] is not LOGIN
            assert paused >= 0.49 or not backs_off, "no back-off"
            assert paused >= (self.failures[key].retry_after or 0.0) - 0.01, "before Retry-After"
        if not forced and key in self.minted_at:
            assert self.is_due(key), "a storm"
        self.started_at[key] = self.now
        self.flying[key] = flight

    def failed(self, key: TokenKey, failure: Failure) -> None:
        self.failed_at[key] = self.now
        self.failures[key] = failure
        self.slow.discard(key)
        if self.now - self.started_at[key] > 2.0:
            self.slow.add(key)
        if self.may_pass(key):
            self.probed_at[self.place(key)] = self.now

    def succeeded(self, key: TokenKey) -> None:
        """Nothing is known any more that would keep it from being minted."""
        self.failed_at.pop(key, None)
        self.failures.pop(key, None)
        self.slow.discard(key)

    def place(self, key: TokenKey) -> str:
        """What is probed: a server, or what the credential misses here."""
        missing = self.failures.get(key) is MISSING
        return f"here for {key.credential}" if missing else UPSTREAM_OF[key.credential]

    def is_down(self, key: TokenKey) -> bool:
        """Whether the server of a key that failed has given nobody a token since."""
        return self.place(key) in self.probed_at

    def due_at(self, key: TokenKey) -> float:
        """When this key is tried by itself, as status shows it."""
        record = self.machine._records.by_key.get(key)
        return -INFINITE if record is None else record.retry_at

    def may_pass(self, key: TokenKey) -> bool:
        """Whether a failure may be gone by now, as far as its kind tells."""
        return self.failures.get(key) in {RETRY, SLOW_DOWN, LOCKED, MISSING}

    def may_be_told(self, key: TokenKey, *, idle: bool) -> bool:
        """Whether who is sent away is told when to come back."""
        return idle and self.may_pass(key) and GRANT_OF[key.credential] not in self.parked

    def probes(self, key: TokenKey, due_at: float) -> None:
        """An ask has a key tried that failed and is due by itself at *due_at*."""
        if self.failures[key] is REPORTED:
            return
        if not self.may_pass(key):
            assert self.now >= due_at, "not for time to heal"
            return
        last = self.probed_at.get(self.place(key))
        if last is not None:
            turn = self.now - due_at >= 29.99
            assert turn or self.now - last >= 4.99, "two tries of one server"
            self.probed_at[self.place(key)] = self.now

    def is_banned(self, token: str) -> bool:
        return self.banned.get(token, self.now) > self.now

    def unban(self, key: TokenKey) -> None:
        self.reported.pop(key, None)
        self.closed.pop(key, None)
        self.banned.pop(KEY_ITSELF.format(key.credential), None)

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
        if asker := self.asker_of.get(command.waiter):
            whose = (asker, command.key.credential)
            if self.given.get(whose) != command.token_id:
                self.given_first[whose] = self.now
            if self.now < self.given_last.get(whose, -INFINITE) + 0.29:
                self.several.add(whose)
            self.given[whose], self.given_last[whose] = command.token_id, self.now
        remaining = self.ends[command.token_id] - self.now
        assert remaining > 0, "an expired token"
        assert not self.is_banned(command.token_id), "a token that was reported"
        assert self.closed.get(command.key, self.now) <= self.now, "another token of a spent quota"

    def forced_waits(self, key: TokenKey) -> bool:
        """Whether somebody's forced ask may be what a queued flight is for."""
        return GRANT_OF[key.credential] in ROTATING

    def waits_for(self, key: TokenKey) -> bool:
        """Whether there is a flight that an ask for *key* may wait for, or for the lease of its grant."""
        grant = GRANT_OF[key.credential]
        return key in self.flying or (grant in ROTATING and self.flies_on(grant))

    def flies_on(self, grant: str) -> bool:
        out = [*self.flying, *(key for key, _ in self.lost)]
        return any(GRANT_OF[key.credential] == grant for key in out)

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        if not hasattr(self, "machine"):
            return
        for waiter, key in self.waiting.items():
            assert self.waits_for(key), waiter

    @invariant()
    def nothing_is_doubted_without_a_reason(self) -> None:
        if not hasattr(self, "machine"):
            return
        for credential in GRANT_OF:
            doubted, reason = self.doubted(credential), self.may_be_doubted(credential)
            assert reason or not doubted, credential

    @invariant()
    def an_extra_wake_up_is_harmless(self) -> None:
        if hasattr(self, "machine"):
            self.send(Woke())
            assert self.machine.handle(Woke(), self.now) == []

    def teardown(self) -> None:
        # After a failure the books are half written: what they say would hide what failed.
        if not hasattr(self, "machine") or sys.exc_info()[0] is not None:
            return
        for _ in range(100):
            if self.lost:
                key, flight = self.lost.pop()
            elif self.flying:
                key, flight = self.flying.popitem()
                self.failed(key, RETRY)
            else:
                break
            self.send(MintFailed(key=key, flight=flight, failure=RETRY, jitter=0.5))
        assert self.waiting == {}, "somebody was never answered"


TestLifecycleModel = pytest.mark.examples(LifecycleModel.TestCase)
# A nightly run sets CREDWARD_REQUIRE_THOROUGH=1.
_THOROUGH = bool(os.environ.get("CREDWARD_REQUIRE_THOROUGH"))
TestLifecycleModel.settings = settings(
    max_examples=3000 if _THOROUGH else examples(150),
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
