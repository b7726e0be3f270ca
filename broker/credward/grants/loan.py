"""One use of a grant: what was lent, and how it ended as far as anybody can tell.

Reads outcomes and journals; what follows from an end for the grant is `keeper`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

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
    """What became of a grant while a mint used it."""

    # It is as its use left it, and written down as far as it has to be.
    KEPT = enum.auto()
    # It was given up or given anew meanwhile: nobody wants the token.
    REPLACED = enum.auto()
    # A new one could be made durable nowhere.
    UNWRITTEN = enum.auto()
    # The store was locked before it could be said whether the token is still wanted.
    LOCKED = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """One use of a grant: what the worker gets; *key* is the one-mint key."""

    lease: Lease
    record: GrantRecord | None
    key: bytes = field(repr=False)


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How one use ended.

    *sealed* is the grant that it brought, *durable* whether a journal keeps that, *window* how long
    the exchange was open (seconds). *failure*: None where the server gave what was asked for.
    *opened*: the grant may have reached the server.
    """

    lease: Lease
    sealed: SealedGrant | None = None
    durable: bool = False
    window: float | None = None
    failure: Failure | None = None
    opened: bool = False

    @property
    def refused(self) -> bool:
        """Whether the server said that the grant is of no use any more."""
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
        """Whether nobody knows what the server did with the grant."""
        return self.failure is not None and self.opened and self.failure.sent == "maybe"

    @property
    def uneventful(self) -> bool:
        """Whether the grant is what it was before, for sure."""
        failed = self.failure is not None and self.sealed is None
        return failed and not self.refused and not self.cut_off

    def supersedes(self, other: Ended) -> bool:
        """Whether who reads this one in a journal needs that of *other* no more."""
        return (
            self is not other
            and (self.lease.grant, self.lease.family) == (other.lease.grant, other.lease.family)
            and self.lease.generation >= other.lease.generation
            and ((self.sealed is not None and self.durable) or other.sealed is None)
        )


def ended_with(
    lease: Lease, outcome: MintedToken | Failure, state: JournalState | None = None
) -> Ended:
    """Return the end that a worker told, or that was told of it; *state*: of its journal, if any.

    What the worker sealed counts even if it died before it could answer.
    """
    sealed = state.sealed if state is not None else None
    durable = sealed is not None and sealed.mint == lease.mint
    window = None
    if isinstance(outcome, MintedToken) and (rotated := outcome.rotated) is not None:
        # The worker knows whether the disk took it; what can be read need not be on it.
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
        # We wrote a lease ourselves: where there is none, it is damaged and might say anything.
        opened=state is not None and (state.lease is None or _is_open(state.lease, lease.mint)),
    )


def ended_by_crash(state: JournalState) -> list[Ended]:
    """Return the ends that a dead worker's journal tells of, oldest first; none if it idled."""
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
    """Return the same end without what it brought: nobody knows more."""
    failure = Failure.of(
        Kind.INTERNAL, f'"{ended.lease.grant}": its exchange was cut off', sent="maybe"
    )
    return Ended(lease=ended.lease, failure=failure, opened=True)


def _is_open(lease: Lease, mint: str) -> bool:
    return lease.mint == mint and lease.phase == "open"
