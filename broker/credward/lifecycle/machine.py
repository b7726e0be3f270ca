"""The lifecycle of every token: when to mint, serve, refresh, back off and forget.

Pure: events in, commands out, `now` passed in; it awaits nothing, reads no clock and logs nothing.
`schedule` has the arithmetic, `record` and `records` the memory, `adoption` takes tokens; `pauses`
decides when to retry, `rejection` guesses that a token was refused, `refusals` handles reports of
it.

Rules for anyone who changes this:

1. `handle` with an impossible event raises `LifecycleError` and changes nothing.
2. At most one flight per key; on a rotating grant at most one flight over all its keys.
3. Every waiter gets exactly one `Serve` or `Fail`, unless it left.
4. No `Serve` of a token past its end or below the hand-out floor, nor of a reported one. No `Drop`
   of a token that its key still holds.
5. No `StartMint` on a parked grant. Unless forced: none before the end of the pause that the server
   asked for; before `retry_at` only for a request, and then only one per server in five seconds
   (see `pauses`).
6. Early or doubled `Woke` events do nothing.
7. The clock may jump either way between any two events: this leaves no remembered time in the
   future, no expired token goes out, and work that is due after a long gap is spread out.

Transitions of a key (row: state, event → state; commands):

| # | state | event | next | commands |
|---|---|---|---|---|
| 1 | EMPTY | Asked | MINTING | StartMint |
| 2 | MINTING | Asked | MINTING | none, the ask waits |
| 3 | MINTING | Minted | FRESH | Serve each waiter |
| 4 | MINTING | MintFailed(retry) | EMPTY | Fail each waiter |
| 5 | EMPTY | Asked after a failure, the server tried just now | EMPTY | Fail |
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
| 17 | EXPIRED | Asked | MINTING | StartMint |
| 18 | any | MintFailed(reauthorize) | PARKED | Park, Fail each waiter of the grant |
| 19 | PARKED | Asked; Forced where a login is given here | PARKED | Fail at once |
| 20 | PARKED, REJECTED | GrantCleared | EMPTY | none |
| 21 | MINTING | MintFailed(fix-configuration) | PARKED | Fail each waiter; again after an hour |
| 22 | FRESH | Asked early by the same asker | SUSPECT | Serve, StartMint |
| 23 | FRESH | Rejected(unauthorized, revoked) | MINTING | Drop, StartMint |
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
| 34 | EMPTY | Asked after a failure, not tried for 5 s | MINTING | StartMint, the ask waits |
| 35 | MINTING after a slow failure | Asked | MINTING | Fail at once |
| 36 | MINTING | GrantCleared, then MintFailed for want of what came | MINTING | StartMint |
| 37 | PARKED, the login is another tool's | Forced | MINTING | StartMint, the ask waits |
| 38 | MINTING | Minted, a token that was reported | REJECTED | Drop it, Fail each waiter |
| 39 | FRESH | Rejected, as was another token before it | REJECTED | Drop |
| 40 | FRESH | Rejected(quota, billing) | REJECTED | Drop |
| 41 | REJECTED | Asked | REJECTED | Fail at once |
| 42 | REJECTED | Asked after its time | MINTING | StartMint, the ask waits |
| 43 | REJECTED | Forced | MINTING | StartMint, the ask waits |
| 44 | any | TokensDropped | EMPTY; PARKED and REJECTED stay | Drop, Fail each waiter |
| 45 | any | StoreOpened | failures for want of the store end | none |
| 46 | any | GrantCleared(drop) | EMPTY; flights go on | Drop |
| 47 | any | Minted by a flight that was taken away | unchanged | Drop it, unless it is held |
| 48 | REFRESHING | Minted, the token held, ended by now | EXPIRED | Drop it, Fail each waiter |
| 49 | REJECTED | GrantCleared(same_secret) | REJECTED | none |
| 50 | SUSPECT | Minted, the same token again | SUSPECT | none |
| 51 | SUSPECT since the same token came again | GrantCleared | FRESH | none |
| 52 | the same | Forced | REFRESHING | StartMint, the ask waits |
| 53 | the same | Accepted | FRESH | none |
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable
from typing import assert_never

from credward.errors import Failure, Kind, Recovery
from credward.lifecycle import refusals, schedule
from credward.lifecycle.adoption import adopt, take_up
from credward.lifecycle.pauses import Pauses
from credward.lifecycle.record import GrantQueue, KeyRecord, Waiting
from credward.lifecycle.records import LifecycleError, Records, TooManyKeysError
from credward.lifecycle.rejection import Inference
from credward.lifecycle.views import view_of
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
    Rejected,
    Restored,
    Serve,
    StartMint,
    StoreOpened,
    TokenKey,
    TokensDropped,
    View,
    WaiterLeft,
    Woke,
)

__all__ = ["Lifecycle", "LifecycleError", "TooManyKeysError"]

# Refreshes that became due while the machine slept are spread over this time (seconds).
_CATCH_UP = 30.0
_LATE = 60.0
# A clock that goes back by less than this is adjusted, not set (seconds).
_TRIMMED = 1.0


class Lifecycle:
    """All token keys and grants of one daemon."""

    def __init__(self) -> None:
        self._records = Records()
        self._inference = Inference()
        self._pauses = Pauses()
        self._flights = itertools.count(1)
        # Flights whose key was removed meanwhile, by the grant that they hold.
        self._orphans: dict[int, str] = {}
        self._latest = -math.inf

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take one event at *now* and return what to do, in order."""
        self._notice_time(now)
        match event:
            case Asked():
                return self._asked(event, now)
            case Woke():
                return self._woke(now)
            case Minted():
                return self._minted(event, now)
            case Restored():
                return [*take_up(self._records, event, now)]
            case MintFailed():
                return self._mint_failed(event, now)
            case Forced():
                return self._forced(event, now)
            case Rejected():
                return self._rejected(event, now)
            case Accepted(credential=credential, token_id=token_id):
                self._inference.accepted(token_id)
                for record in self._records.of_credential(credential).values():
                    record.accepted(token_id)
                return []
            case WaiterLeft(waiter=waiter):
                self._records.stop_waiting(waiter)
                return []
            case GrantCleared():
                return self._cleared(event, now)
            case GrantParked(grant=grant, failure=failure, drop=drop):
                commands: list[Command] = []
                if drop:
                    self._drop_tokens(grant, commands)
                self._park(self._records.grant(grant), failure, now, commands)
                return commands
            case TokensDropped(failure=failure):
                return self._tokens_dropped(failure, now)
            case StoreOpened():
                return self._store_opened(now)
            case Configured():
                return self._configured(event, now)
            case _:
                assert_never(event)

    def wake_at(self) -> float | None:
        """Return the next instant at which `Woke` may do something, None if there is none."""
        return self._records.wake_at()

    def awaits(self, key: TokenKey, flight: int) -> bool:
        """Return whether the result of this flight is for *key*; not if the key was removed."""
        record = self._records.by_key.get(key)
        return record is not None and record.flight == flight

    def view(self, credential: str, now: float) -> View:
        """Return what `status` shows; raises `LifecycleError` for an unknown credential."""
        return view_of(self._records, credential, now)

    def views(self, now: float) -> list[View]:
        """Return the views of all credentials."""
        return [self.view(credential, now) for credential in self._records.plans]

    def _record_of(self, event: Asked | Forced) -> KeyRecord:
        if self._records.is_waiting(event.waiter):
            raise LifecycleError(f"waiter {event.waiter} already waits")
        return self._records.find_or_make(event.key)

    # --- asks -------------------------------------------------------------------------------

    def _asked(self, event: Asked, now: float) -> list[Command]:
        record = self._record_of(event)
        asker = None if event.asker is None else (event.asker, event.key.credential)
        waiting = Waiting(event.min_remaining, asker)
        lapsed = not record.wanted(now)
        record.last_asked_at = now
        # Without demand, only the token's end was scheduled.
        if record.needs.add(now, event.min_remaining) or lapsed or record.wake_at is None:
            self._records.schedule(record, now)
        commands: list[Command] = []
        if record.usable(now):
            self._infer(record, asker, event, now, commands)
            wish = schedule.need(event.min_remaining, record.life)
            better = record.remaining(now) < wish and self._can_better(record, now)
            if not better:
                commands.insert(0, self._serve(record, event.waiter, waiting, now))
                return commands
        elif (hopeless := self._hopeless(record, now)) is not None:
            return [self._fail(event.waiter, asker, hopeless)]
        if record.minted_at is not None:
            record.waits += 1
        if not record.busy and record.failure is not None:
            self._pauses.tried(record, now)
        self._records.wait(record, event.waiter, waiting)
        self._start(record, now, commands)
        return commands

    def _infer(
        self,
        record: KeyRecord,
        asker: Hashable | None,
        event: Asked,
        now: float,
        commands: list[Command],
    ) -> None:
        current, ttl = record.current, event.cache_ttl
        if asker is None or ttl is None or current is None:
            return
        if self._inference.is_rejection(asker, current.token_id, ttl, now, event.settling):
            self._suspect(record, current.token_id, now, commands)

    def _serve(self, record: KeyRecord, waiter: int, waiting: Waiting, now: float) -> Serve:
        current = record.current
        assert current is not None
        remaining = current.ends_at - now
        if waiting.asker is not None:
            self._inference.gave(waiting.asker, current.token_id, remaining, now)
        return Serve(waiter, record.key, current.token_id, short=remaining < waiting.wish)

    def _fail(self, waiter: int, asker: Hashable | None, failure: Failure) -> Fail:
        if asker is not None:
            self._inference.failed(asker)
        return Fail(waiter, failure)

    def _can_better(self, record: KeyRecord, now: float) -> bool:
        """Return whether waiting for a mint could bring a token that lasts longer."""
        if record.busy:
            return True
        opens_at = max(record.may_mint_at(), self._pauses.opens_at(record))
        return self._records.grant_of(record).parked is None and now >= opens_at

    def _hopeless(self, record: KeyRecord, now: float) -> Failure | None:
        """Return the failure of a request that no flight will answer in time."""
        parked = self._records.grant_of(record).parked
        return self._pauses.standing(record, now) if parked is None else parked

    def _forced(self, event: Forced, now: float) -> list[Command]:
        record = self._record_of(event)
        record.last_asked_at = now
        grant = self._records.grant_of(record)
        if grant.parked is not None and record.plan.login:
            return [Fail(event.waiter, grant.parked)]
        # We do not hear when the login of another tool is done, so we believe the caller.
        self._unpark(grant, now)
        self._records.forget_verdicts(event.key.credential)
        for each in self._records.of_credential(event.key.credential).values():
            # A report on a token counts for all keys that may get it; so does this.
            each.suspect = each.doubt = None
            if each.verdict is not None:
                each.verdict = None
                self._pauses.ended(each)
                self._records.schedule(each, now)
        commands: list[Command] = []
        self._records.wait(record, event.waiter, Waiting(0.0))
        self._start(record, now, commands, forced=True)
        return commands

    def _rejected(self, event: Rejected, now: float) -> list[Command]:
        """Stop handing out a reported token, and mint another one if that may help."""
        holders = self._records.holders(event.credential, event.token_id)
        commands: list[Command] = [Drop(each.key, event.token_id) for each in holders]
        verdicts = [refusals.judge(each, event, now) for each in holders]
        if verdicts:
            self._records.note_verdict(event.credential, refusals.strictest(verdicts))
        for record, verdict in zip(holders, verdicts, strict=True):
            record.current = record.suspect = None
            record.verdict = verdict
            if verdict.final:
                refusals.condemn(record, verdict, now)
            elif self._records.grant_of(record).parked is None and now >= record.not_before:
                self._start(record, now, commands, forced=True)
            self._records.schedule(record, now)
        return commands

    def _suspect(
        self, record: KeyRecord, token_id: str, now: float, commands: list[Command]
    ) -> None:
        """Force one mint for a token that upstream seems to refuse; serve it meanwhile."""
        if self._inference.has_no_other(token_id):
            record.doubts(token_id, now)
            return
        if self._records.grant_of(record).parked or now < record.retry_at:
            return
        if self._inference.may_force(record.key.credential, token_id, record.life, now):
            record.suspect = token_id
            self._start(record, now, commands, forced=True)

    # --- flights ----------------------------------------------------------------------------

    def _start(
        self, record: KeyRecord, now: float, commands: list[Command], *, forced: bool = False
    ) -> None:
        record.forced = record.forced or forced
        if record.busy:
            return
        grant = self._records.grant_of(record)
        if record.plan.rotating and grant.holder is not None:
            grant.queue.append(record.key)
            record.queued = True
        else:
            self._take_off(record, grant, now, commands)
        self._records.schedule(record, now)

    def _take_off(
        self, record: KeyRecord, grant: GrantQueue, now: float, commands: list[Command]
    ) -> None:
        record.queued = False
        record.flight = next(self._flights)
        record.flight_at = now
        refusals.reopen(record, now)
        if record.plan.rotating:
            grant.holder = record.key
        commands.append(StartMint(record.key, record.flight))

    def _landed(self, key: TokenKey, flight: int) -> tuple[KeyRecord | None, GrantQueue | None]:
        """Remove a flight; the record is None if nobody wants its token any more.

        Its lease ends too, but the next flight on the grant may start only after the outcome was
        handled: a dead grant must not get another flight.
        """
        record = self._records.by_key.get(key)
        known = self.awaits(key, flight)
        if not known and flight not in self._orphans:
            raise LifecycleError(f"no flight {flight} is running for {key.credential}")
        grant_name = record.plan.grant if record and known else self._orphans.pop(flight)
        grant = self._records.grant(grant_name)
        if record and known:
            record.flight = None
        if grant is not None and grant.holder == key:
            grant.holder = None
        return (record if known else None), grant

    def _next_on(self, grant: GrantQueue | None, now: float, commands: list[Command]) -> None:
        while grant is not None and grant.queue and grant.holder is None and grant.parked is None:
            record = self._records.by_key.get(grant.queue.popleft())
            if record is not None and record.queued:
                self._take_off(record, grant, now, commands)
                self._records.schedule(record, now)

    def _minted(self, event: Minted, now: float) -> list[Command]:
        ends_at = schedule.ends_at(event.issued_at, event.expires_at, now)
        if not ends_at > now:
            dead = Failure.of(
                Kind.PROVIDER_REFUSED,
                f'"{event.key.credential}" got a token that has already expired: '
                "check the clock of this machine, then run credward doctor",
            )
            failed = MintFailed(
                key=event.key, flight=event.flight, failure=dead, jitter=event.jitter
            )
            lost = self._lose(event)
            return [*self._mint_failed(failed, now), *lost]
        commands: list[Command] = []
        record, grant = self._landed(event.key, event.flight)
        if record is None:
            self._next_on(grant, now, commands)
            return [*commands, *self._discard(event)]
        record.mints += 1
        record.outdated = False
        self._pauses.answered(record)
        self._pauses.ended(record)
        ends = event.expires_at is not None
        reported = self._records.verdict_on(event.key.credential, event.token_id, now)
        if verdict := refusals.repeated(record, reported, ends=ends, now=now):
            commands.append(Drop(event.key, event.token_id))
            self._records.note_verdict(event.key.credential, verdict)
            refusals.condemn(record, verdict, now)
        else:
            record.minted_at = now
            commands += adopt(record, event, ends_at, now)
            self._inference.came_again(event.token_id)
            if event.token_id == record.suspect:
                record.doubts(event.token_id, now)
        record.forced = False
        record.suspect = None
        self._answer_waiters(record, now, commands, record.failure)
        self._records.schedule(record, now)
        self._next_on(grant, now, commands)
        return commands

    def _discard(self, event: Minted) -> list[Command]:
        """Drop a token that nobody wants, unless its key holds the same one.

        Outside, a token is known only by its key and id.
        """
        record = self._records.by_key.get(event.key)
        held = record is not None and record.holds(event.token_id)
        return [] if held else [Drop(event.key, event.token_id)]

    def _lose(self, event: Minted) -> list[Command]:
        """Drop a token that came too late; if its key holds the same one, trust the source."""
        if not self.awaits(event.key, event.flight):
            return self._discard(event)
        record = self._records.by_key[event.key]
        if record.holds(event.token_id):
            record.current = None
        return [Drop(event.key, event.token_id)]

    def _mint_failed(self, event: MintFailed, now: float) -> list[Command]:
        commands: list[Command] = []
        record, grant = self._landed(event.key, event.flight)
        if record is None:
            self._next_on(grant, now, commands)
            return commands
        failure = event.failure
        outdated, record.outdated = record.outdated, False
        parked = self._records.grant_of(record).parked is not None
        if outdated and not parked and failure.recovery is not Recovery.RETRY:
            # The failure is about the old login or secret; the waiters want the new one.
            self._start(record, now, commands)
            self._next_on(grant, now, commands)
            return commands
        self._pauses.failed(record, failure, event.jitter, now)
        record.forced = False
        record.suspect = None
        if record.current is None:
            record.jitter = event.jitter
        if failure.recovery is Recovery.REAUTHORIZE:
            commands.append(Park(record.plan.grant, failure))
            self._park(self._records.grant_of(record), failure, now, commands, but=record)
        self._answer_waiters(record, now, commands, failure)
        self._records.schedule(record, now)
        self._next_on(grant, now, commands)
        return commands

    def _park(
        self,
        grant: GrantQueue,
        failure: Failure,
        now: float,
        commands: list[Command],
        *,
        but: KeyRecord | None = None,
    ) -> None:
        """Park a grant; its waiters hear it, unless a flight is running for it."""
        grant.parked = failure
        for other in self._records.on(grant.name):
            if other is not but and other.flight is None:
                other.queued = False
                self._answer_waiters(other, now, commands, failure)
                self._records.schedule(other, now)
        grant.queue.clear()

    def _answer_waiters(
        self,
        record: KeyRecord,
        now: float,
        commands: list[Command],
        failure: Failure | None = None,
    ) -> None:
        current = record.current
        for waiter, waiting in list(record.waiters.items()):
            self._records.stop_waiting(waiter)
            if (
                current is not None
                and current.ends_at > now
                and (failure is None or record.usable(now))
            ):
                commands.append(self._serve(record, waiter, waiting, now))
            elif failure is not None:
                commands.append(self._fail(waiter, waiting.asker, failure))

    # --- time -------------------------------------------------------------------------------

    def _notice_time(self, now: float) -> None:
        """If the clock was set back, move all remembered times back by as much.

        Then what was past stays past, and a wait takes as long as before: neither a storm nor a
        standstill. A token neither loses nor gains life, no matter which clock was right.
        """
        back = self._latest - now
        if back <= _TRIMMED:
            self._latest = max(self._latest, now)
        else:
            self._latest = now
            self._records.shift(-back)
            self._inference.shift(-back)
            self._pauses.shift(-back)

    def _woke(self, now: float) -> list[Command]:
        commands: list[Command] = []
        while (due := self._records.take_due(now)) is not None:
            record, since = due
            self._tick(record, now, commands, late=now - since > _LATE)
        return commands

    def _tick(self, record: KeyRecord, now: float, commands: list[Command], *, late: bool) -> None:
        if record.current is not None and record.current.ends_at <= now:
            commands.append(Drop(record.key, record.current.token_id))
            record.current = None
        parked = self._records.grant_of(record).parked is not None
        if not parked and not record.busy and record.wanted(now):
            if late and record.jitter > 0:
                # The machine slept: tokens that nobody waits for are renewed one after the other.
                within = record.remaining(now) / 4 if record.usable(now) else _CATCH_UP
                record.look_again_at = now + record.jitter * min(_CATCH_UP, within)
            elif self._due(record, now):
                self._start(record, now, commands)
        self._records.schedule(record, now)

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
        for key, record in list(self._records.by_key.items()):
            plan = plans.get(key.credential)
            if plan is None or plan.epoch != key.epoch:
                self._remove(record, commands)
            else:
                record.plan = plan
        for name, old in self._records.plans.items():
            fresh = plans.get(name)
            if fresh is None or fresh.epoch != old.epoch:
                self._inference.forget(name)
                self._records.forget_verdicts(name)
                # Its grant may have waited for this change.
                self._records.grant(old.grant).parked = None
        self._records.plans = plans
        self._records.forget_grants_but({plan.grant for plan in event.plans})
        self._pauses.keep_only({plan.upstream for plan in event.plans}, set(plans))
        for record in self._records.by_key.values():
            self._records.schedule(record, now)
        for plan in event.plans:
            if plan.always:
                record = self._records.find_or_make(TokenKey(plan.credential, plan.epoch))
                self._records.schedule(record, now)
        return commands

    def _remove(self, record: KeyRecord, commands: list[Command]) -> None:
        gone = Failure.of(
            Kind.PROVIDER_UNREACHABLE,
            f'"{record.key.credential}" was changed while it was being minted: ask again',
            retry_after=0.0,
        )
        if record.flight is not None:
            self._orphans[record.flight] = record.plan.grant
        commands += [Fail(waiter, gone) for waiter in self._records.remove(record)]
        if record.current is not None:
            commands.append(Drop(record.key, record.current.token_id))

    def _drop_tokens(self, grant: str, commands: list[Command]) -> None:
        for record in self._records.on(grant):
            self._drop_token(record, commands)

    def _drop_token(self, record: KeyRecord, commands: list[Command]) -> None:
        """Remove the token, as if none had been minted."""
        if record.current is not None:
            commands.append(Drop(record.key, record.current.token_id))
        record.current = record.suspect = record.minted_at = None

    def _tokens_dropped(self, failure: Failure, now: float) -> list[Command]:
        """Forget every token and every running mint; earlier failures stay."""
        commands: list[Command] = []
        for grant in self._records.grants():
            grant.queue.clear()
        for record in self._records.by_key.values():
            self._drop_token(record, commands)
            if record.flight is not None:
                # Its lease ends when it lands; nobody gets its token.
                self._orphans[record.flight] = record.plan.grant
            record.flight = None
            record.queued = record.forced = record.outdated = False
            self._answer_waiters(record, now, commands, failure)
            self._records.schedule(record, now)
        return commands

    def _store_opened(self, now: float) -> list[Command]:
        for record in self._records.by_key.values():
            if record.failure is not None and record.failure.kind is Kind.STORE_LOCKED:
                self._pauses.ended(record)
                self._records.schedule(record, now)
        return []

    def _cleared(self, event: GrantCleared, now: float) -> list[Command]:
        commands: list[Command] = []
        grant = self._records.grant(event.grant)
        for plan in self._records.plans.values():
            if plan.grant == event.grant and not event.same_secret:
                self._records.forget_verdicts(plan.credential)
        for record in self._records.on(event.grant):
            self._pauses.ended(record)
            if not event.same_secret:
                record.verdict = record.suspect = record.doubt = None
            elif record.verdict is not None and record.rejected(now):
                refusals.condemn(record, record.verdict, now)
            record.outdated = record.flight is not None
            if event.drop:
                self._drop_token(record, commands)
            if record.current is None:
                # Nothing was minted from the new login or secret.
                record.minted_at = None
        self._unpark(grant, now)
        self._next_on(grant, now, commands)
        return commands

    def _unpark(self, grant: GrantQueue, now: float) -> None:
        grant.parked = None
        for record in self._records.on(grant.name):
            self._records.schedule(record, now)
