"""The lifecycle of every token: when to mint, serve, refresh, back off and forget.

Pure: events in, commands out, `now` passed in; it awaits nothing, reads no clock and logs nothing.
Arithmetic is `schedule`, memory `records` and `book`, the guess of a refused token `rejection`.

Rules for whoever changes this:

1. `handle` with an event that cannot be raises `LifecycleError` and leaves everything as it was.
2. At most one flight per key; on a rotating grant at most one flight over all its keys.
3. Every waiter gets exactly one `Serve` or `Fail`, unless it left.
4. No `Serve` of a token past its end or below the hand-out floor.
5. No `StartMint` on a parked grant, nor before `retry_at` unless forced.
6. Early or doubled `Woke` events do nothing.
7. The clock may jump either way between any two events: nothing remembered lies in the future
   because of it, no expired token goes out, and what is due after a long gap is spread out.

Transitions of a key (row: state, event → state; commands):

| # | state | event | next | commands |
|---|---|---|---|---|
| 1 | EMPTY | Asked | MINTING | StartMint |
| 2 | MINTING | Asked | MINTING | none, the ask waits |
| 3 | MINTING | Minted | FRESH | Serve each waiter |
| 4 | MINTING | MintFailed(retry) | EMPTY | Fail each waiter |
| 5 | EMPTY | Asked during back-off | EMPTY | Fail |
| 6 | FRESH | Asked | FRESH | Serve |
| 7 | FRESH | Woke at refresh time, in demand | REFRESHING | StartMint |
| 8 | FRESH | Woke at refresh time, no demand | FRESH | none |
| 9 | FRESH | Asked for more than is left | REFRESHING | StartMint, the ask waits |
| 10 | REFRESHING | Asked | REFRESHING | Serve |
| 11 | REFRESHING | Minted | FRESH | Serve each waiter, Drop the old token |
| 12 | REFRESHING | Minted without progress | FRESH | Serve each waiter, Drop the new token |
| 13 | REFRESHING | MintFailed(retry) | STALE | Serve each waiter, flagged short |
| 14 | STALE | Asked | STALE | Serve |
| 15 | STALE | Woke after back-off | REFRESHING | StartMint |
| 16 | STALE | Woke past the end | EXPIRED | Drop |
| 17 | EXPIRED | Asked after back-off | MINTING | StartMint |
| 18 | any | MintFailed(reauthorize) | PARKED | Park, Fail each waiter of the grant |
| 19 | PARKED | Asked | PARKED | Fail at once |
| 20 | PARKED | GrantCleared | EMPTY | none |
| 21 | MINTING | MintFailed(fix-configuration) | PARKED | Fail each waiter; again after an hour |
| 22 | FRESH | Asked early by the same asker | SUSPECT | Serve, StartMint |
| 23 | FRESH | Rejected | SUSPECT | StartMint |
| 24 | SUSPECT | Minted | FRESH | Drop the old token |
| 25 | FRESH | Forced | REFRESHING | StartMint, the ask waits |
| 26 | any | WaiterLeft | unchanged | none, the flight goes on |
| 27 | any | Configured without it | gone | Drop, Fail each waiter |
| 28 | any | GrantParked | PARKED | Fail each waiter of the grant |
| 29 | EXPIRED, in demand | Woke after back-off | MINTING | StartMint |
| 30 | any | any, earlier than the last | unchanged | as ever: all it knows moves back |
| 31 | any | GrantParked(drop) | PARKED | Drop, Fail each waiter of the grant |
| 32 | EMPTY | Restored | FRESH | none |
| 33 | any but EMPTY | Restored | unchanged | Drop the restored token |
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import assert_never

from credward.errors import Failure, Kind, Recovery
from credward.lifecycle import schedule
from credward.lifecycle.book import Book, LifecycleError, TooManyKeysError
from credward.lifecycle.records import Current, GrantRecord, KeyRecord
from credward.lifecycle.rejection import Inference
from credward.lifecycle.views import view_of
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
    Rejected,
    Restored,
    Serve,
    StartMint,
    TokenKey,
    View,
    WaiterLeft,
    Woke,
)

__all__ = ["Lifecycle", "LifecycleError", "TooManyKeysError"]

# Refreshes that became due while the machine slept are spread over at most this long (seconds).
_CATCH_UP = 30.0
_LATE = 60.0
# A clock that goes back by less than this is being trimmed, not set (seconds).
_TRIMMED = 1.0


class Lifecycle:
    """All token keys and grants of one daemon."""

    def __init__(self) -> None:
        self._book = Book()
        self._inference = Inference()
        self._flights = itertools.count(1)
        # Flights whose key was taken away meanwhile, by the grant that they hold.
        self._orphans: dict[int, str] = {}
        self._latest = -math.inf

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take one event at *now* and return what is to be done, in order."""
        self._notice_time(now)
        match event:
            case Asked():
                return self._asked(event, now)
            case Woke():
                return self._woke(now)
            case Minted():
                return self._minted(event, now)
            case Restored():
                return self._restored(event, now)
            case MintFailed():
                return self._mint_failed(event, now)
            case Forced():
                return self._forced(event, now)
            case Rejected():
                return self._rejected(event, now)
            case WaiterLeft(waiter=waiter):
                self._book.stop_waiting(waiter)
                return []
            case GrantCleared(grant=grant):
                return self._cleared(grant, now)
            case GrantParked(grant=grant, failure=failure, drop=drop):
                commands: list[Command] = []
                if drop:
                    self._drop_tokens(grant, commands)
                self._park(self._book.grant(grant), failure, now, commands)
                return commands
            case Configured():
                return self._configured(event, now)
            case _:
                assert_never(event)

    def wake_at(self) -> float | None:
        """Return the next instant at which `Woke` may do something, None if there is none."""
        return self._book.wake_at()

    def view(self, credential: str, now: float) -> View:
        """Return what `status` shows; raises `LifecycleError` for an unknown credential."""
        return view_of(self._book, credential, now)

    def views(self, now: float) -> list[View]:
        """Return the views of all credentials."""
        return [self.view(credential, now) for credential in self._book.plans]

    def _record_of(self, event: Asked | Forced) -> KeyRecord:
        if self._book.is_waiting(event.waiter):
            raise LifecycleError(f"waiter {event.waiter} waits already")
        return self._book.find_or_make(event.key)

    # --- asks -------------------------------------------------------------------------------

    def _asked(self, event: Asked, now: float) -> list[Command]:
        record = self._record_of(event)
        lapsed = not record.wanted(now)
        record.last_asked_at = now
        # Where demand had lapsed, only the token's end was in the books.
        if record.needs.add(now, event.min_remaining) or lapsed or record.wake_at is None:
            self._book.schedule(record, now)
        commands: list[Command] = []
        if record.usable(now):
            self._infer(record, event, now, commands)
            wish = schedule.need(event.min_remaining, record.life)
            better = record.remaining(now) < wish and self._can_better(record, now)
            if not better:
                commands.insert(0, self._serve(record, event, now))
                return commands
        elif (hopeless := self._hopeless(record, now)) is not None:
            return [Fail(event.waiter, hopeless)]
        if record.minted_at is not None:
            record.waits += 1
        self._book.wait(record, event.waiter, event.min_remaining)
        self._start(record, now, commands)
        return commands

    def _infer(self, record: KeyRecord, event: Asked, now: float, commands: list[Command]) -> None:
        current = record.current
        if event.asker is None or event.cache_ttl is None or current is None:
            return
        asker = (event.asker, event.key.credential)
        if self._inference.is_rejection(asker, current.token_id, event.cache_ttl, now):
            self._suspect(record, current.token_id, now, commands)

    def _serve(self, record: KeyRecord, event: Asked, now: float) -> Serve:
        current = record.current
        assert current is not None
        remaining = current.ends_at - now
        if event.asker is not None:
            asker = (event.asker, event.key.credential)
            self._inference.gave(asker, current.token_id, remaining, now)
        return Serve(
            event.waiter,
            record.key,
            current.token_id,
            short=remaining < event.min_remaining,
        )

    def _can_better(self, record: KeyRecord, now: float) -> bool:
        """Return whether waiting for a mint could bring a token that lasts longer."""
        if record.busy:
            return True
        return self._book.grant_of(record).parked is None and now >= record.may_mint_at()

    def _hopeless(self, record: KeyRecord, now: float) -> Failure | None:
        """Return the failure of an ask that no flight will answer in time."""
        parked = self._book.grant_of(record).parked
        if parked is not None:
            return parked
        if record.busy or record.failure is None or now >= record.retry_at:
            return None
        return replace(record.failure, retry_after=record.retry_at - now)

    def _forced(self, event: Forced, now: float) -> list[Command]:
        record = self._record_of(event)
        record.last_asked_at = now
        parked = self._book.grant_of(record).parked
        if parked is not None:
            return [Fail(event.waiter, parked)]
        commands: list[Command] = []
        self._book.wait(record, event.waiter, 0.0)
        self._start(record, now, commands, forced=True)
        return commands

    def _rejected(self, event: Rejected, now: float) -> list[Command]:
        record = self._book.records.get(event.key)
        commands: list[Command] = []
        if record and record.current and record.current.token_id == event.token_id:
            self._suspect(record, event.token_id, now, commands)
        return commands

    def _suspect(
        self, record: KeyRecord, token_id: str, now: float, commands: list[Command]
    ) -> None:
        """Force one mint for a token that upstream seems to refuse; it is served meanwhile."""
        if self._book.grant_of(record).parked or now < record.retry_at:
            return
        if self._inference.may_force(record.key.credential, token_id, now):
            record.suspect = token_id
            self._start(record, now, commands, forced=True)

    # --- flights ----------------------------------------------------------------------------

    def _start(
        self, record: KeyRecord, now: float, commands: list[Command], *, forced: bool = False
    ) -> None:
        record.forced = record.forced or forced
        if record.busy:
            return
        grant = self._book.grant_of(record)
        if record.plan.rotating and grant.holder is not None:
            grant.queue.append(record.key)
            record.queued = True
        else:
            self._take_off(record, grant, commands)
        self._book.schedule(record, now)

    def _take_off(self, record: KeyRecord, grant: GrantRecord, commands: list[Command]) -> None:
        record.queued = False
        record.flight = next(self._flights)
        if record.plan.rotating:
            grant.holder = record.key
        commands.append(StartMint(record.key, record.flight))

    def _landed(self, key: TokenKey, flight: int) -> tuple[KeyRecord | None, GrantRecord | None]:
        """Take a flight off the books; the record is None if nobody wants its token any more.

        The lease goes back too, but who is next on the grant may go only when the outcome has
        been dealt with: a dead grant must not see another flight.
        """
        record = self._book.records.get(key)
        known = record is not None and record.flight == flight
        if not known and flight not in self._orphans:
            raise LifecycleError(f"no flight {flight} is out for {key.credential}")
        grant_name = record.plan.grant if record and known else self._orphans.pop(flight)
        grant = self._book.grant(grant_name)
        if record and known:
            record.flight = None
        if grant is not None and grant.holder == key:
            grant.holder = None
        return (record if known else None), grant

    def _next_on(self, grant: GrantRecord | None, now: float, commands: list[Command]) -> None:
        while grant is not None and grant.queue and grant.holder is None and grant.parked is None:
            record = self._book.records.get(grant.queue.popleft())
            if record is not None and record.queued:
                self._take_off(record, grant, commands)
                self._book.schedule(record, now)

    def _minted(self, event: Minted, now: float) -> list[Command]:
        ends_at = schedule.ends_at(event.issued_at, event.expires_at, now)
        if not ends_at > now:
            dead = Failure.of(
                Kind.PROVIDER_REFUSED,
                f'"{event.key.credential}" was given a token that is expired already: '
                "check the clock of this machine, then run credward doctor",
            )
            failed = MintFailed(
                key=event.key, flight=event.flight, failure=dead, jitter=event.jitter
            )
            return [*self._mint_failed(failed, now), Drop(event.key, event.token_id)]
        commands: list[Command] = []
        record, grant = self._landed(event.key, event.flight)
        if record is None:
            self._next_on(grant, now, commands)
            return [*commands, Drop(event.key, event.token_id)]
        record.mints += 1
        record.minted_at = now
        record.failure = None
        record.failures_in_row = 0
        record.retry_at = -math.inf
        self._adopt(record, event, ends_at, now, commands)
        record.forced = False
        record.suspect = None
        self._answer_waiters(record, now, commands)
        self._book.schedule(record, now)
        self._next_on(grant, now, commands)
        return commands

    def _adopt(
        self,
        record: KeyRecord,
        event: Minted,
        ends_at: float,
        now: float,
        commands: list[Command],
    ) -> None:
        old = record.current
        progress = old is None or ends_at > old.ends_at or not record.usable(now)
        if old is not None and not progress and not self._replaces(record, old, event):
            # The source gave back what it had cached: looking again soon would change nothing.
            record.look_again_at = now + schedule.look_again_in(old.ends_at - now)
            if event.token_id != old.token_id:
                commands.append(Drop(event.key, event.token_id))
            return
        record.lives.append(ends_at - now)
        record.jitter = event.jitter
        record.look_again_at = -math.inf
        record.current = Current(
            token_id=event.token_id,
            issued_at=event.issued_at,
            expires_at=event.expires_at,
            ends_at=ends_at,
        )
        if old is not None and old.token_id != event.token_id:
            commands.append(Drop(record.key, old.token_id))

    def _restored(self, event: Restored, now: float) -> list[Command]:
        """Take up a token of an earlier life, unless this one knows better already."""
        key = event.key
        plan = self._book.plans.get(key.credential)
        at_mint = schedule.ends_at(event.issued_at, event.expires_at, event.minted_at)
        life = at_mint - event.minted_at
        ends_at = schedule.ends_at(event.minted_at, at_mint, now)
        record = self._book.records.get(key)
        if record is not None and record.current and record.current.token_id == event.token_id:
            return []
        if (
            plan is None
            or plan.epoch != key.epoch
            or not 0 < life < math.inf
            or ends_at - now < max(schedule.floor(life), math.ulp(now))
            or (record is not None and (record.busy or record.current is not None))
        ):
            return [Drop(key, event.token_id)]
        try:
            record = self._book.find_or_make(key)
        except TooManyKeysError:
            return [Drop(key, event.token_id)]
        record.current = Current(
            token_id=event.token_id,
            issued_at=event.issued_at,
            expires_at=event.expires_at,
            ends_at=ends_at,
        )
        record.lives.append(life)
        record.jitter = event.jitter
        record.minted_at = min(event.minted_at, now)
        self._book.schedule(record, now)
        return []

    @staticmethod
    def _replaces(record: KeyRecord, old: Current, event: Minted) -> bool:
        # Somebody asked for another token than the one we hold, and this is another one.
        return record.forced and event.token_id != old.token_id

    def _mint_failed(self, event: MintFailed, now: float) -> list[Command]:
        commands: list[Command] = []
        record, grant = self._landed(event.key, event.flight)
        if record is None:
            self._next_on(grant, now, commands)
            return commands
        failure = event.failure
        record.failures += 1
        record.failures_in_row += 1
        record.failure = failure
        record.forced = False
        record.suspect = None
        if record.current is None:
            record.jitter = event.jitter
        match failure.recovery:
            case Recovery.REAUTHORIZE:
                commands.append(Park(record.plan.grant, failure))
                self._park(self._book.grant_of(record), failure, now, commands, but=record)
            case Recovery.FIX_CONFIGURATION:
                record.retry_at = now + schedule.FIX_INTERVAL
            case Recovery.RETRY:
                wait = schedule.backoff(record.failures_in_row, failure.retry_after, event.jitter)
                record.retry_at = now + wait
            case _:
                assert_never(failure.recovery)
        self._answer_waiters(record, now, commands, failure)
        self._book.schedule(record, now)
        self._next_on(grant, now, commands)
        return commands

    def _park(
        self,
        grant: GrantRecord,
        failure: Failure,
        now: float,
        commands: list[Command],
        *,
        but: KeyRecord | None = None,
    ) -> None:
        """Park a grant; who waits on it hears so, unless a flight is out for it."""
        grant.parked = failure
        for other in self._book.on(grant.name):
            if other is not but and other.flight is None:
                other.queued = False
                self._answer_waiters(other, now, commands, failure)
                self._book.schedule(other, now)
        grant.queue.clear()

    def _answer_waiters(
        self,
        record: KeyRecord,
        now: float,
        commands: list[Command],
        failure: Failure | None = None,
    ) -> None:
        current = record.current
        for waiter, wish in list(record.waiters.items()):
            self._book.stop_waiting(waiter)
            if (
                current is not None
                and current.ends_at > now
                and (failure is None or record.usable(now))
            ):
                short = current.ends_at - now < wish
                commands.append(Serve(waiter, record.key, current.token_id, short))
            elif failure is not None:
                commands.append(Fail(waiter, failure))

    # --- time -------------------------------------------------------------------------------

    def _notice_time(self, now: float) -> None:
        """Where the clock was set back, move back all that is remembered, by as much.

        Then what was past is past and what is to wait waits as long as before: neither a storm
        nor a standstill. A token loses no life by it and gains none, whichever clock was right.
        """
        back = self._latest - now
        if back <= _TRIMMED:
            self._latest = max(self._latest, now)
        else:
            self._latest = now
            self._book.shift(-back)
            self._inference.shift(-back)

    def _woke(self, now: float) -> list[Command]:
        commands: list[Command] = []
        while (due := self._book.take_due(now)) is not None:
            record, since = due
            self._tick(record, now, commands, late=now - since > _LATE)
        return commands

    def _tick(self, record: KeyRecord, now: float, commands: list[Command], *, late: bool) -> None:
        if record.current is not None and record.current.ends_at <= now:
            commands.append(Drop(record.key, record.current.token_id))
            record.current = None
        parked = self._book.grant_of(record).parked is not None
        if not parked and not record.busy and record.wanted(now):
            if late and record.jitter > 0:
                # The machine slept: what nobody waits for is renewed one after the other.
                within = record.remaining(now) / 4 if record.usable(now) else _CATCH_UP
                record.look_again_at = now + record.jitter * min(_CATCH_UP, within)
            elif self._due(record, now):
                self._start(record, now, commands)
        self._book.schedule(record, now)

    def _due(self, record: KeyRecord, now: float) -> bool:
        if record.current is None:
            return record.wanted_anew(now) and record.refresh_at(now) <= now
        return record.refresh_at(now) <= now

    # --- configuration ----------------------------------------------------------------------

    def _configured(self, event: Configured, now: float) -> list[Command]:
        commands: list[Command] = []
        plans = {plan.credential: plan for plan in event.plans}
        if len(plans) != len(event.plans):
            raise LifecycleError("a credential is configured twice")
        for key, record in list(self._book.records.items()):
            plan = plans.get(key.credential)
            if plan is None or plan.epoch != key.epoch:
                self._remove(record, commands)
            else:
                record.plan = plan
        for name, old in self._book.plans.items():
            fresh = plans.get(name)
            if fresh is None or fresh.epoch != old.epoch:
                self._inference.forget(name)
                # A changed entry may be what its grant was waiting for.
                self._book.grant(old.grant).parked = None
        self._book.plans = plans
        used = {plan.grant for plan in plans.values()}
        self._book.forget_grants_but(used)
        for record in self._book.records.values():
            self._book.schedule(record, now)
        for plan in event.plans:
            if plan.always:
                record = self._book.find_or_make(TokenKey(plan.credential, plan.epoch))
                self._book.schedule(record, now)
        return commands

    def _remove(self, record: KeyRecord, commands: list[Command]) -> None:
        gone = Failure.of(
            Kind.PROVIDER_UNREACHABLE,
            f'"{record.key.credential}" was changed while it was being minted: ask again',
            retry_after=0.0,
        )
        if record.flight is not None:
            self._orphans[record.flight] = record.plan.grant
        commands += [Fail(waiter, gone) for waiter in self._book.remove(record)]
        if record.current is not None:
            commands.append(Drop(record.key, record.current.token_id))

    def _drop_tokens(self, grant: str, commands: list[Command]) -> None:
        for record in self._book.on(grant):
            if record.current is not None:
                commands.append(Drop(record.key, record.current.token_id))
                record.current = None

    def _cleared(self, name: str, now: float) -> list[Command]:
        commands: list[Command] = []
        grant = self._book.grant(name)
        grant.parked = None
        for record in self._book.on(name):
            record.retry_at = -math.inf
            record.failure = None
            record.failures_in_row = 0
            self._book.schedule(record, now)
        self._next_on(grant, now, commands)
        return commands
