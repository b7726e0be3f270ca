"""One use of a grant by one mint: lent to its worker, run, taken back, with the result.

`keeper` knows what an end means for the grant; `minting` decides whether to retry.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from credward.errors import BrokerError, Failure
from credward.grants.keeper import GrantKeeper
from credward.grants.loan import Fate, Loan
from credward.store.journal import Journal
from credward.workers.lane import Rotating
from credward.workers.link import MintedToken
from credward.workers.worker import JournalFile

__all__ = ["GrantUse"]

Outcome = MintedToken | Failure


class GrantUse:
    """Fulfils `workers.lane.Rotating` for one *loan*."""

    def __init__(self, keeper: GrantKeeper, loan: Loan) -> None:
        self._keeper = keeper
        self._loan = loan
        # If there was no worker, nothing was lent and nothing changed.
        self._fate = Fate.KEPT

    async def run(self, mint: Callable[[Rotating], Awaitable[MintedToken]]) -> tuple[Outcome, Fate]:
        """Mint in a way that may replace the grant; return the result."""
        try:
            return await mint(self), self._fate
        except BrokerError as error:
            return error.failure, self._fate

    async def run_fixed(self, mint: Callable[[], Awaitable[MintedToken]]) -> tuple[Outcome, Fate]:
        """Mint on a grant that no mint replaces; return the result."""
        outcome: Outcome
        try:
            outcome = await mint()
        except BrokerError as error:
            outcome = error.failure
        return outcome, await self._keeper.conclude(self._loan, outcome)

    def lend(self, journal: JournalFile) -> None:
        """Write the lease into the journal."""
        assert isinstance(journal, Journal)
        journal.lend(self._loan.lease)

    async def settle(self, outcome: Outcome, journal: JournalFile) -> bool:
        """Take the grant back; return whether the journal is free."""
        assert isinstance(journal, Journal)
        free, self._fate = await self._keeper.settle(self._loan, outcome, journal)
        return free
