"""Keeps the grants: lends one to a mint, takes back what came of it, parks it, gives it up.

The order is the promise: what a rotation brings is durable before its token is released, a grant
that was deleted or replaced meanwhile is never brought back, and a secret that may be used up is
tried again only until the first definite answer. Which mint uses which grant is `minting`, what a
dead daemon left behind is `recovery`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from credward.clock import Clock
from credward.errors import BrokerError, Kind, Recovery
from credward.issuing.grant_book import GrantBook
from credward.issuing.grant_record import GrantRecord, GrantView, Parked
from credward.store.journal import GrantFields, Journal, JournalState, Lease, SealedGrant
from credward.store.journal import open_grant as open_sealed
from credward.workers.link import MintedToken

__all__ = ["GrantKeeper", "Loan"]

_log = logging.getLogger(__name__)

_WINDOWS = 1024


@dataclass(slots=True, kw_only=True)
class Loan:
    """One use of a grant: what the worker gets, and what became of it.

    *key*: the one-mint key. *replaced*: the grant was given up or given anew meanwhile, so that
    nobody wants the token. *volatile*: a new grant could be made durable nowhere.
    """

    lease: Lease
    record: GrantRecord | None
    key: bytes
    provider: str
    rotation_retry: bool = True
    replaced: bool = False
    volatile: bool = False


class GrantKeeper:
    """All grants of one daemon."""

    def __init__(
        self, *, clock: Clock, book: GrantBook, release: Callable[[Journal], None]
    ) -> None:
        self._clock = clock
        self._book = book
        self._release = release
        self._locks: dict[str, asyncio.Lock] = {}
        # Journals that hold what the store does not, until it does, and of which grant.
        self._held: list[tuple[str, Journal]] = []
        self._unread: list[Journal] = []
        book.on_saved = self._release_journals
        self.rotations = 0
        self.ambiguities = 0
        self.windows: deque[float] = deque(maxlen=_WINDOWS)

    def turn(self, grant: str) -> asyncio.Lock:
        """Return the lock under which one grant is used or replaced."""
        return self._locks.setdefault(grant, asyncio.Lock())

    def view(self, grant: str) -> GrantView:
        """Return what may be shown of a grant; little while the store is locked."""
        record = self.peek(grant)
        if record is None:
            return GrantView(name=grant)
        return GrantView(
            name=grant,
            account=record.account,
            ends_at=record.ends_at,
            given_at=record.given_at if record.secret is not None else None,
            generation=record.generation,
            ambiguous_at=record.ambiguous_at,
            parked_at=record.parked.since if record.parked else None,
            unsaved=self._book.unsaved,
        )

    def parked(self, grant: str) -> BrokerError | None:
        """Return why a grant waits for a human, None where it does not; raise `store-locked`."""
        record = self._book.load(grant)
        return record.parked.failure() if record and record.parked else None

    def peek(self, grant: str) -> GrantRecord | None:
        """Return the record of a grant, None where there is none or the store is locked."""
        return None if self._book.locked else self._book.load(grant)

    # --- one mint ---------------------------------------------------------------------------

    def lend(self, grant: str, provider: str, *, rotation_retry: bool) -> Loan:
        """Return a loan of the grant as it is now; raise what it is parked with."""
        record = self._book.load(grant)
        if record is not None and record.parked is not None:
            raise record.parked.failure()
        mint = secrets.token_hex(16)
        return Loan(
            lease=Lease(
                mint=mint,
                grant=grant,
                origin=record.origin if record else 0,
                generation=record.generation if record else 0,
            ),
            record=record,
            key=self._book.mint_key(mint),
            provider=provider,
            rotation_retry=rotation_retry,
        )

    async def settle(
        self, loan: Loan, outcome: MintedToken | BrokerError, journal: Journal
    ) -> bool:
        """Take a loan back while its worker is still held; return whether the journal is free.

        What the worker sealed counts even if it died before it could answer.
        """
        if self._book.locked:
            # Locked in mid-mint: the journal keeps it until the store is open again.
            self._unread.append(journal)
            loan.volatile = not self._in_journal(loan, journal)
            return False
        state = _read(journal)
        before = self._book.changes
        fields, window = self._brought(loan, outcome, state)
        if fields is not None:
            self.rotations += 1
            if window is not None:
                self.windows.append(window)
            loan.replaced = not self._rotate(loan, fields)
            _log.info(
                "grant %s: rotation %d, its exchange was open for %.4f s",
                loan.lease.grant,
                loan.lease.generation + 1,
                window or 0.0,
            )
        elif isinstance(outcome, MintedToken):
            self._answered(loan)
        else:
            self._failed(loan, outcome, state)
        if self._book.changes == before or await self._book.save():
            try:
                journal.clear()
            except OSError:
                self._release(journal)
                return False
            return True
        if fields is not None:
            loan.volatile = not self._in_journal(loan, journal)
            if not loan.volatile:
                # The newest generation is in this one; room for the next is worth more.
                self._release_journals(loan.lease.grant)
        self._held.append((loan.lease.grant, journal))
        return False

    def _brought(
        self, loan: Loan, outcome: MintedToken | BrokerError, state: JournalState
    ) -> tuple[GrantFields | None, float | None]:
        sealed, window = state.sealed, None
        if isinstance(outcome, MintedToken) and outcome.rotated is not None:
            window = outcome.rotated.window
            sealed = SealedGrant(
                mint=loan.lease.mint,
                grant=loan.lease.grant,
                origin=loan.lease.origin,
                generation=loan.lease.generation + 1,
                sealed=outcome.rotated.sealed,
            )
        if sealed is None or sealed.mint != loan.lease.mint:
            return None, None
        return open_sealed(sealed, loan.key), window

    def _rotate(self, loan: Loan, fields: GrantFields) -> bool:
        """Put the new generation in place of the lent one; False where that is not there now."""
        return self.replace(
            loan.lease.grant,
            loan.provider,
            origin=loan.lease.origin,
            generation=loan.lease.generation + 1,
            fields=fields,
        )

    def replace(
        self, grant: str, provider: str, *, origin: int, generation: int, fields: GrantFields
    ) -> bool:
        """Put a newer generation in place; False where the grant is gone, newer, or another."""
        record = self._book.load(grant)
        if record is None:
            if origin != 0:
                # Given up meanwhile: nothing is resurrected.
                return False
            record = GrantRecord(provider=provider, origin=0, given_at=self._clock.now())
        elif record.origin != origin or record.generation >= generation:
            return False
        self._book.put(
            grant,
            msgspec.structs.replace(
                record,
                secret=fields.secret,
                account=fields.account or record.account,
                ends_at=fields.ends_at or record.ends_at,
                generation=generation,
                ambiguous_at=None,
                parked=None,
            ),
        )
        return True

    def _answered(self, loan: Loan) -> None:
        """Note a definite answer that kept the grant as it is."""
        record = self._current(loan)
        if record is None:
            loan.replaced = loan.record is not None
        elif record.ambiguous_at is not None:
            self._book.put(loan.lease.grant, msgspec.structs.replace(record, ambiguous_at=None))

    def _failed(self, loan: Loan, failure: BrokerError, state: JournalState) -> None:
        record = self._current(loan)
        if record is None:
            loan.replaced = loan.record is not None
        elif failure.recovery is Recovery.REAUTHORIZE:
            self._park(loan.lease.grant, record, failure)
        elif (
            failure.recovery is Recovery.RETRY
            and failure.sent == "maybe"
            and state.lease is not None
            and state.lease.mint == loan.lease.mint
            and state.lease.phase == "open"
        ):
            self._doubt(loan.lease.grant, record, rotation_retry=loan.rotation_retry)

    def doubt(self, grant: str, *, origin: int, generation: int) -> None:
        """Note that nobody knows whether this generation was used up, if it is the current one."""
        record = self._book.load(grant)
        if record is not None and (record.origin, record.generation) == (origin, generation):
            self._doubt(grant, record, rotation_retry=True)

    def _doubt(self, grant: str, record: GrantRecord, *, rotation_retry: bool) -> None:
        self.ambiguities += 1
        if not rotation_retry:
            cut_off = BrokerError(
                Kind.LOGIN_REQUIRED,
                f'"{grant}" needs a login (its renewal was cut off and rotation_retry is off): '
                f"run credward login {grant}",
            )
            self._park(grant, record, cut_off)
        elif record.ambiguous_at is None:
            _log.warning("grant %s: an exchange was cut off, its secret is tried again", grant)
            self._book.put(grant, msgspec.structs.replace(record, ambiguous_at=self._clock.now()))

    def _park(self, grant: str, record: GrantRecord, failure: BrokerError) -> None:
        now = self._clock.now()
        # The one line that everybody gets, with since when: at nine in the morning that tells most.
        since = datetime.fromtimestamp(now).strftime("%H:%M")  # noqa: DTZ006 - the user's clock
        message = failure.message.replace("needs a login", f"needs a login since {since}", 1)
        failure.message = message
        parked = Parked(message=message, hint=failure.hint, since=now, kind=failure.kind.slug)
        self._book.put(grant, msgspec.structs.replace(record, parked=parked, ambiguous_at=None))

    def _current(self, loan: Loan) -> GrantRecord | None:
        """Return the record that was lent, None where it is not the current one any more."""
        record = self._book.load(loan.lease.grant)
        if record is None:
            return None
        same = (record.origin, record.generation) == (loan.lease.origin, loan.lease.generation)
        return record if same else None

    # --- after a crash, or while the store was locked ---------------------------------------

    async def replay(self, journal: Journal) -> None:
        """Take over what a journal says that nobody writes any more, and remove it once durable."""
        state = _read(journal)
        if state.sealed is not None:
            grant = state.sealed.grant
            self._replay_grant(state.sealed)
        elif state.lease is not None and state.lease.phase == "open":
            grant = state.lease.grant
            self.doubt(grant, origin=state.lease.origin, generation=state.lease.generation)
        else:
            self._release(journal)
            return
        self._held.append((grant, journal))
        if await self._book.save():
            self._release_journals()

    async def unlocked(self, *, recovered: bool) -> None:
        """Take over what the workers finished while the store was locked.

        *recovered*: the store is an older copy of itself, so any secret in it may be used up.
        """
        unread, self._unread = self._unread, []
        for journal in unread:
            await self.replay(journal)
        if recovered:
            for grant in self._book.names():
                record = self._book.load(grant)
                if record is not None and record.secret is not None and record.generation:
                    self._doubt(grant, record, rotation_retry=True)

    def _replay_grant(self, sealed: SealedGrant) -> None:
        try:
            fields = open_sealed(sealed, self._book.mint_key(sealed.mint))
        except ValueError:
            # Sealed under the key of another store, or torn: nothing of it can be used.
            _log.error("grant %s: a rotation journal cannot be opened", sealed.grant)
            return
        record = self._book.load(sealed.grant)
        taken = record is not None and self.replace(
            sealed.grant,
            record.provider,
            origin=sealed.origin,
            generation=sealed.generation,
            fields=fields,
        )
        if taken:
            _log.warning("grant %s: a rotation was taken over from its journal", sealed.grant)

    @staticmethod
    def _in_journal(loan: Loan, journal: Journal) -> bool:
        sealed = _read(journal).sealed
        return sealed is not None and sealed.mint == loan.lease.mint

    def _release_journals(self, of: str | None = None) -> None:
        """Give back the journals that nothing depends on any more; *of* one grant, or all."""
        held, self._held = self._held, []
        for grant, journal in held:
            if of is None or grant == of:
                self._release(journal)
            else:
                self._held.append((grant, journal))

    # --- giving and taking ------------------------------------------------------------------

    async def give(self, grant: str, provider: str, fields: GrantFields) -> bool:
        """Put what a login brought in place of whatever there was; return whether it is durable.

        Waits for no mint: one that is out with the grant before it will find itself replaced.
        """
        self._book.put(
            grant,
            GrantRecord(
                secret=fields.secret,
                provider=provider,
                account=fields.account,
                ends_at=fields.ends_at,
                # Zero is the origin of a grant that no login gave.
                origin=secrets.randbits(62) + 1,
                given_at=self._clock.now(),
            ),
        )
        return await self._book.save()

    async def give_up(self, grant: str) -> bool:
        """Forget a grant; a mint that is out with it brings nothing back. Return if durable."""
        self._book.delete(grant)
        return await self._book.save()


def _read(journal: Journal) -> JournalState:
    """Return what a journal says; one that the disk does not give back says nothing."""
    try:
        return journal.read()
    except OSError as error:
        _log.error("a rotation journal cannot be read: %s", error.strerror)
        return JournalState(lease=None, sealed=None)
