"""Keeps the grants: lends one to a mint, takes the result back, parks it, drops it.

The order is the promise: a rotated grant is durable before its token is released, a grant that was
deleted or replaced meanwhile never comes back, and a secret that may be used up is tried again only
until the first definite answer. `minting` decides which mint uses which grant; `journal_replay`
handles what a dead daemon left behind.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from credward.clock import Clock
from credward.errors import BrokerError, Failure, Kind, login_required
from credward.grants.grant_record import GrantRecord, GrantView, Parked
from credward.grants.loan import Ended, Fate, Loan, cut_off, ended_by_crash, ended_with
from credward.grants.records import GrantRecords
from credward.store.journal import GrantFields, Journal, JournalState, Lease, open_grant
from credward.workers.link import MintedToken

__all__ = ["GrantKeeper", "new_family"]

_log = logging.getLogger(__name__)

_WINDOWS = 1024
# Ends counted from each answer differ by how long the answer took (seconds).
_SAME_END = 30.0


class GrantKeeper:
    """All grants of one daemon."""

    def __init__(
        self,
        *,
        clock: Clock,
        records: GrantRecords,
        release: Callable[[Journal], None],
        changed_hands: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._records = records
        self._release = release
        # Called when a handed-over grant worked and belongs to another account.
        self._changed_hands = changed_hands
        self._turns: dict[str, asyncio.Lock] = {}
        # Journals with data that may not be in the store yet, by the number of the change they are
        # kept for, and their content.
        self._held: list[tuple[int, Ended, Journal]] = []
        # Mints that ended while the store was locked, or are newer than the known grant.
        self._unread: deque[tuple[Ended, Journal]] = deque()
        self._doubted = False
        records.when_saved(self._release_journals)
        self.rotations = 0
        self.ambiguities = 0
        self.windows: deque[float] = deque(maxlen=_WINDOWS)

    def check_open(self) -> None:
        """Raise `store-locked` if nothing can be lent."""
        self._records.check_open()

    def turn(self, grant: str) -> asyncio.Lock:
        """Return the lock under which one grant is used.

        The lifecycle lets only one key of a rotating grant mint at a time, so that none waits while
        its time runs. But a mint may need the token of another credential first; the lifecycle does
        not know about that mint, so it waits here.
        """
        return self._turns.setdefault(grant, asyncio.Lock())

    def view(self, grant: str) -> GrantView:
        """Return what may be shown of a grant; little while the store is locked."""
        record = self.peek(grant)
        if record is None:
            return GrantView(name=grant, unsaved=self._records.unsaved)
        return GrantView(
            name=grant,
            account=record.account or (record.before.account if record.before else None),
            ends_at=record.ends_at,
            extended_at=record.extended_at,
            given_at=record.given_at if record.secret is not None else None,
            generation=record.generation,
            ambiguous_at=record.ambiguous_at,
            parked_at=record.parked.since if record.parked else None,
            failure=record.parked.failure() if record.parked else None,
            untried=record.untried,
            unsaved=self._records.unsaved,
        )

    def parked(self, grant: str) -> Failure | None:
        """Return why a grant waits for a human, or None; raise `store-locked`."""
        record = self._records.load(grant)
        return record.parked.failure() if record and record.parked else None

    def peek(self, grant: str) -> GrantRecord | None:
        """Return the record of a grant, None if there is none or the store is locked."""
        try:
            return None if self._records.locked else self._records.load(grant)
        except BrokerError as failure:
            # Locked just now, by another thread.
            if failure.kind is Kind.STORE_LOCKED:
                return None
            raise

    # --- one mint ---------------------------------------------------------------------------

    async def lend(
        self,
        grant: str,
        provider: str,
        *,
        bound_to: str,
        rotation_retry: bool = True,
        by_itself: bool = False,
    ) -> Loan:
        """Return a loan of the grant as it is now; raise why it is parked, or `store-locked`.

        A grant for another server or client than *bound_to* is not lent: the configuration was
        changed or replaced, and the secret is not for the server it names now. *by_itself*: this
        grant needs no login, it starts with its first use. Nothing is awaited after the record is
        read: a caller that sends at once sends the current secret.
        """
        self._take_unread()
        record = self._records.load(grant)
        elsewhere = record is not None and not record.is_for(provider, bound_to)
        # Again if somebody logs out while the first use is recorded.
        while by_itself and (record is None or (elsewhere and record.secret is None)):
            await self._begin(grant, provider, bound_to)
            record = self._records.load(grant)
            elsewhere = False
        if record is not None and elsewhere and record.secret is not None:
            raise _is_elsewhere(grant, by_itself=by_itself)
        if record is not None and record.parked is not None:
            raise record.parked.failure().error()
        mint = secrets.token_hex(16)
        return Loan(
            lease=Lease(
                mint=mint,
                grant=grant,
                family=record.family if record else 0,
                generation=record.generation if record else 0,
                rotation_retry=rotation_retry,
            ),
            record=record,
            key=self._records.mint_key(mint),
        )

    async def _begin(self, grant: str, provider: str, bound_to: str) -> None:
        """Record a grant before its first use: a journal is replayed only for known grants."""
        begun = GrantRecord(
            provider=provider,
            bound_to=bound_to,
            family=new_family(),
            given_at=self._clock.now(),
        )
        self._records.put(grant, begun)
        if await self._records.save():
            return
        if (record := self._records.load(grant)) is not None and record.family == begun.family:
            self._records.delete(grant)
        unwritten = Failure.of(Kind.INTERNAL, "the store cannot be written")
        raise (self._records.failure or unwritten).error()

    async def settle(
        self, loan: Loan, outcome: MintedToken | Failure, journal: Journal
    ) -> tuple[bool, Fate]:
        """Take a loan back when its worker can no longer write.

        Return whether the journal is free, and what happened to the grant. A grant that the worker
        sealed counts even if the worker died before it could answer.
        """
        ended = ended_with(loan.lease, outcome, _read(journal))
        before = self._records.changes
        try:
            brought = self._take(ended)
        except BrokerError as failure:
            if failure.kind is not Kind.STORE_LOCKED:
                raise
            # Locked during the mint: kept sealed until the store is open again.
            self._unread.append((ended, journal))
            return False, Fate.LOCKED
        change = self._records.changes
        # Even if nothing was changed the journal may matter: a grant that was dropped or replaced
        # comes back if the daemon dies before that is on disk.
        saved = (change == before and ended.uneventful) or await self._records.save()
        # After the wait: a user that dropped the grant meanwhile was told that it is gone.
        fate = self._fate(loan, brought=brought)
        unwritten = ended.sealed is not None and not (brought and (saved or ended.durable))
        if fate is Fate.KEPT and unwritten:
            fate = Fate.UNWRITTEN
        if not saved:
            self._hold(change, ended if brought else cut_off(ended), journal)
            return False, fate
        try:
            journal.clear()
        except OSError:
            self._release(journal)
            return False, fate
        return True, fate

    async def conclude(self, loan: Loan, outcome: MintedToken | Failure) -> Fate:
        """Take back the loan of a grant that its mint does not replace."""
        ended = ended_with(loan.lease, outcome)
        try:
            self._take(ended)
            await self._records.save()
            return self._fate(loan, brought=False)
        except BrokerError as failure:
            if failure.kind is not Kind.STORE_LOCKED:
                raise
            return Fate.LOCKED

    def _fate(self, loan: Loan, *, brought: bool) -> Fate:
        """Return whether the grant was dropped or replaced by a login since it was lent."""
        record = self.peek(loan.lease.grant)
        if record is None and self._records.locked:
            return Fate.LOCKED
        expected = (loan.lease.family, loan.lease.generation + brought)
        if record is None or (record.family, record.generation) != expected:
            return Fate.REPLACED
        return Fate.KEPT

    # --- what follows from an end -----------------------------------------------------------

    def _take(self, ended: Ended) -> bool:
        """Change the grant after its use; return whether there is a new one.

        All at once or, if the store is locked, not at all. A grant that was dropped, replaced or
        rotated further since then stays as it is.
        """
        lease = ended.lease
        record = self._records.load(lease.grant)
        fields = self._open(ended)
        if fields is None and ended.sealed is not None:
            # It was rotated; nothing else is known.
            ended = cut_off(ended)
        after = None if record is None else self._after(record, ended, fields)
        if record is not None and after is not None and after != record:
            self._records.put(lease.grant, after)
            if fields is not None:
                self._count_rotation(ended)
            before = record.before
            if before is not None and after.before is None and after.family == record.family:
                _log.info("grant %s: the grant that was handed over works", lease.grant)
                if before.account != after.account:
                    self._changed_hands(lease.grant)
        return fields is not None

    def _after(
        self, record: GrantRecord, ended: Ended, fields: GrantFields | None
    ) -> GrantRecord | None:
        """Return the record of a grant after its use, None if the use was not of this record."""
        lease = ended.lease
        if record.family != lease.family:
            # A mint may still use the earlier login while the new one is on trial.
            before = record.before and self._after(record.before, ended, fields)
            return before and msgspec.structs.replace(record, before=before)
        if record.generation > lease.generation:
            return None
        after = record
        if fields is not None:
            after = self._rotated(record, lease, fields)
        on_trial = record.before is not None
        if ended.failure is not None and (ended.refused or (on_trial and ended.definite)):
            after = self._refused(after, ended.failure)
        elif ended.failure is None:
            after = msgspec.structs.replace(after, ambiguous_at=None, untried=False, before=None)
        elif ended.cut_off and fields is None:
            after = self._in_doubt(lease.grant, after, rotation_retry=lease.rotation_retry)
        return after

    def _refused(self, record: GrantRecord, failure: Failure) -> GrantRecord:
        """Return the grant that waits for a login, or the earlier login if one was kept."""
        if record.before is None:
            return self._parked(record, failure)
        _log.warning(
            "the new grant is refused, the earlier login stays: %s",
            failure.message,
        )
        return record.before

    def _rotated(self, record: GrantRecord, lease: Lease, fields: GrantFields) -> GrantRecord:
        """Return the generation after the one that was lent."""
        put_off = fields.ends_at is not None and (
            record.ends_at is None or fields.ends_at > record.ends_at + _SAME_END
        )
        return msgspec.structs.replace(
            record,
            secret=fields.secret,
            account=fields.account or record.account,
            ends_at=fields.ends_at or record.ends_at,
            extended_at=self._clock.now() if put_off else record.extended_at,
            generation=lease.generation + 1,
            ambiguous_at=None,
            parked=None,
            untried=False,
            before=None,
        )

    def _open(self, ended: Ended) -> GrantFields | None:
        if ended.sealed is None:
            return None
        try:
            return open_grant(ended.sealed, self._records.mint_key(ended.sealed.mint))
        except ValueError:
            # Sealed under the key of another store, or damaged: useless.
            _log.error("grant %s: the result of its rotation cannot be opened", ended.lease.grant)
            return None

    def _count_rotation(self, ended: Ended) -> None:
        self.rotations += 1
        if ended.window is not None:
            self.windows.append(ended.window)
        _log.info(
            "grant %s: rotation %d, its exchange was open for %.4f s",
            ended.lease.grant,
            ended.lease.generation + 1,
            ended.window or 0.0,
        )

    def _in_doubt(self, grant: str, record: GrantRecord, *, rotation_retry: bool) -> GrantRecord:
        """Return the grant after an exchange that may have used up its secret."""
        self.ambiguities += 1
        if not rotation_retry:
            reason = "its renewal was cut off and rotation_retry is off"
            return self._parked(record, login_required(grant, reason=reason))
        if record.ambiguous_at is not None:
            return record
        _log.warning("grant %s: an exchange was cut off, its secret is tried again", grant)
        return msgspec.structs.replace(record, ambiguous_at=self._clock.now())

    def _parked(self, record: GrantRecord, failure: Failure) -> GrantRecord:
        parked = Parked(
            cause=failure.cause,
            reason=failure.reason,
            remedy=failure.remedy,
            hint=failure.hint,
            challenge=failure.challenge,
            since=self._clock.now(),
            kind=failure.kind.slug,
        )
        return msgspec.structs.replace(record, parked=parked, ambiguous_at=None)

    # --- after a crash, or while the store was locked ---------------------------------------

    async def replay(self, journals: Iterable[Journal]) -> None:
        """Take over the content of journals that nobody writes to; remove them once durable.

        All of them at once: in between nothing is lent.
        """
        for journal in journals:
            ends = ended_by_crash(_read(journal))
            self._unread += [(ended, journal) for ended in ends]
            if not ends:
                self._release(journal)
        try:
            self._take_unread()
        except BrokerError as failure:
            if failure.kind is not Kind.STORE_LOCKED:
                raise
            return
        await self._records.save()

    async def unlocked(self, *, recovered: bool) -> None:
        """Take over the results of workers that finished while the store was locked.

        *recovered*: the store is an older copy of itself, so any secret in it may be used up.
        """
        self._take_unread()
        if recovered and not self._doubted:
            self._doubted = True
            for grant in self._records.names():
                record = self._records.load(grant)
                if record is not None and (doubted := self._doubt(grant, record)) != record:
                    self._records.put(grant, doubted)
        await self._records.save()

    def _doubt(self, grant: str, record: GrantRecord) -> GrantRecord:
        """Return a grant of an older store; its secret may have been rotated since."""
        if record.before is not None:
            before = self._doubt(grant, record.before)
            record = msgspec.structs.replace(record, before=before)
        if record.secret is None or not record.generation:
            return record
        return self._in_doubt(grant, record, rotation_retry=True)

    def _take_unread(self) -> None:
        """Take over mints that ended while the store was locked, before anything else is lent."""
        while (found := next(filter(self._is_due, self._unread), None)) is not None:
            ended, journal = found
            try:
                rotations = self.rotations
                self._take(ended)
                if self.rotations > rotations:
                    _log.warning(
                        "grant %s: a rotation was taken over from its journal", ended.lease.grant
                    )
            except BrokerError as failure:
                if failure.kind is Kind.STORE_LOCKED:
                    raise
                # A damaged entry affects only its own grant; a login repairs it.
                _log.error("grant %s: %s", ended.lease.grant, failure.message)
            self._unread.remove(found)
            self._hold(self._records.changes, ended, journal)

    def _is_due(self, unread: tuple[Ended, Journal]) -> bool:
        """Whether an end can be taken over: not before the end that made the lent grant."""
        ended, _ = unread
        if ended.sealed is not None:
            return True
        lease = ended.lease
        record = self._records.load(lease.grant)
        if record is not None and record.before is not None and record.family != lease.family:
            record = record.before
        return (
            record is None or record.family != lease.family or record.generation >= lease.generation
        )

    def _hold(self, change: int, ended: Ended, journal: Journal) -> None:
        """Keep a journal until the change with this number is on disk.

        Journals that say no more than this one are returned: the next mint needs the room more.
        """
        self._held.append((change, ended, journal))
        self._release_journals(ended)

    def _release_journals(self, newest: Ended | None = None) -> None:
        """Return the journals whose changes are on disk, and those that *newest* replaces."""
        held, self._held = self._held, []
        needless = []
        for each in held:
            change, ended, journal = each
            if change <= self._records.saved or (newest is not None and newest.supersedes(ended)):
                needless.append(journal)
            else:
                self._held.append(each)
        needed = [journal for *_, journal in (*self._held, *self._unread)]
        for journal in needless:
            if not any(journal is each for each in needed):
                needed.append(journal)
                self._release(journal)

    # --- giving and taking ------------------------------------------------------------------

    async def give(
        self,
        grant: str,
        provider: str,
        fields: GrantFields,
        *,
        bound_to: str,
        trial: int | None = None,
    ) -> bool:
        """Replace the grant by the one of a login; return whether it is durable.

        Does not wait for mints: a mint with the old grant will find it replaced. *trial*: the
        origin of a grant that may not work. Until it has worked, the earlier login is kept too.
        """
        self._records.put(
            grant,
            GrantRecord(
                secret=fields.secret,
                provider=provider,
                bound_to=bound_to,
                account=fields.account,
                ends_at=fields.ends_at,
                family=new_family() if trial is None else trial,
                given_at=self._clock.now(),
                untried=trial is not None,
                before=None if trial is None else self._proven(grant),
            ),
        )
        return await self._records.save()

    def _proven(self, grant: str) -> GrantRecord | None:
        """Return the login that stays until another one has worked, or None."""
        record = self._records.load(grant)
        if record is None or record.untried:
            return record and record.before
        return record if record.secret is not None and record.parked is None else None

    async def give_up(self, grant: str) -> bool:
        """Forget a grant; a mint that still uses it changes nothing. Return if durable."""
        self._records.delete(grant)
        return await self._records.save()


def _is_elsewhere(grant: str, *, by_itself: bool) -> BrokerError:
    if by_itself:
        return BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{grant}" belongs to another server or client than its settings name now: '
            f"correct them, or run credward logout {grant} to start again",
        )
    reason = "it belongs to another server or client than its settings name now"
    return login_required(grant, reason=reason).error()


def new_family() -> int:
    """Return a unique name for a login."""
    return secrets.randbits(62) + 1


def _read(journal: Journal) -> JournalState:
    """Return the content of a journal; nothing if the disk cannot read it."""
    try:
        return journal.read()
    except OSError as error:
        _log.error("a rotation journal cannot be read: %s", error.strerror)
        return JournalState(lease=None, sealed=None)
