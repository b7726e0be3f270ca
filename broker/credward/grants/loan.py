"""One use of a grant: what was lent, and how it ended as far as we can tell.

Reads outcomes and journals; `keeper` decides what an end means for the grant.
"""

from __future__ import annotations

import enum

import msgspec

from credward.errors import Failure, Kind, Recovery
from credward.grants.grant_record import GrantRecord
from credward.store.journal import JournalState, Lease, SealedGrant
from credward.workers.link import MintedToken

__all__ = ["Ended", "Fate", "Loan", "cut_off", "ended_by_crash", "ended_with"]

# Failures that say nothing about the grant.
_PASSING = frozenset(
    {
        Kind.PROVIDER_UNREACHABLE,
        Kind.RATE_LIMITED,
        Kind.TIMED_OUT,
        Kind.STORE_LOCKED,
        Kind.INTERNAL,
    }
)


class Fate(enum.Enum):
    """What happened to a grant while a mint used it."""

    # It is as its use left it, and recorded as far as needed.
    KEPT = enum.auto()
    # It was dropped or replaced meanwhile: nobody wants the token.
    REPLACED = enum.auto()
    # A new one could not be made durable.
    UNWRITTEN = enum.auto()
    # The store was locked before we could tell whether the token is still wanted.
    LOCKED = enum.auto()


class Loan(msgspec.Struct, frozen=True, kw_only=True):
    """One use of a grant: what the worker gets; *key* is the one-mint key."""

    lease: Lease
    record: GrantRecord | None
    key: bytes

    def __repr__(self) -> str:
        return f"Loan({self.lease})"


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How one use ended.

    *sealed* is the new grant, *durable* whether a journal keeps it, *window* how long the exchange
    was open (seconds). *failure*: None if the server granted the request. *opened*: the grant may
    have reached the server.
    """

    lease: Lease
    sealed: SealedGrant | None = None
    durable: bool = False
    window: float | None = None
    failure: Failure | None = None
    opened: bool = False

    @property
    def refused(self) -> bool:
        """Whether the server said that the grant is no longer valid."""
        return self.failure is not None and self.failure.recovery is Recovery.REAUTHORIZE

    @property
    def definite(self) -> bool:
        """Whether it failed, and the same grant would fail again."""
        return (
            self.failure is not None
            and not self.cut_off
            and not self.failure.local
            and self.failure.kind not in _PASSING
        )

    @property
    def cut_off(self) -> bool:
        """Whether it is unknown what the server did with the grant."""
        return self.failure is not None and self.opened and self.failure.sent == "maybe"

    @property
    def uneventful(self) -> bool:
        """Whether the grant is certainly unchanged."""
        failed = self.failure is not None and self.sealed is None
        return failed and not self.refused and not self.cut_off

    def supersedes(self, other: Ended) -> bool:
        """Whether a journal with this end makes that of *other* unnecessary."""
        return (
            self is not other
            and (self.lease.grant, self.lease.family) == (other.lease.grant, other.lease.family)
            and self.lease.generation >= other.lease.generation
            and ((self.sealed is not None and self.durable) or other.sealed is None)
        )


def ended_with(
    lease: Lease, outcome: MintedToken | Failure, state: JournalState | None = None
) -> Ended:
    """Return the end that a worker reported, or from its failure; *state*: of its journal, if any.

    A grant that the worker sealed counts even if the worker died before it could answer.
    """
    sealed = state.sealed if state is not None else None
    durable = sealed is not None and sealed.mint == lease.mint
    window = None
    if isinstance(outcome, MintedToken) and (rotated := outcome.rotated) is not None:
        # The worker knows whether the disk has it; readable data need not be on disk.
        durable, window = rotated.durable, rotated.window
        sealed = SealedGrant(
            mint=lease.mint,
            grant=lease.grant,
            family=lease.family,
            generation=lease.generation + 1,
            sealed=rotated.sealed,
        )
    return Ended(
        lease=lease,
        sealed=sealed if sealed is not None and sealed.mint == lease.mint else None,
        durable=durable,
        window=window,
        failure=outcome if isinstance(outcome, Failure) else None,
        # We wrote a lease ourselves: without one, the journal is damaged and proves nothing.
        opened=state is not None and (state.lease is None or _is_open(state.lease, lease.mint)),
    )


def ended_by_crash(state: JournalState) -> list[Ended]:
    """Return the ends in a dead worker's journal, oldest first; none if it was idle."""
    found = []
    lease, sealed = state.lease, state.sealed
    if sealed is not None:
        same = lease is not None and lease.mint == sealed.mint
        used = Lease(
            mint=sealed.mint,
            grant=sealed.grant,
            family=sealed.family,
            generation=sealed.generation - 1,
            phase="open",
            rotation_retry=lease.rotation_retry if same and lease is not None else True,
        )
        found.append(Ended(lease=used, sealed=sealed, durable=True))
        if same:
            return found
    if lease is not None and lease.phase == "open":
        found.append(cut_off(Ended(lease=lease)))
    return found


def cut_off(ended: Ended) -> Ended:
    """Return the same end without its grant: nothing more is known."""
    failure = Failure.of(
        Kind.INTERNAL, f'"{ended.lease.grant}": its exchange was cut off', sent="maybe"
    )
    return Ended(lease=ended.lease, failure=failure, opened=True)


def _is_open(lease: Lease, mint: str) -> bool:
    return lease.mint == mint and lease.phase == "open"
