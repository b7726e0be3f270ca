"""One use of a grant: what is lent, what is taken back, and what became of the grant."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from credward.errors import BrokerError, Failure, Kind
from credward.grants.loan import Fate, Loan
from credward.grants.use import GrantUse
from credward.store.journal import Journal, JournalDirectory, Lease
from credward.workers.link import MintedToken

LEASE = Lease(mint="0" * 32, grant="g", family=7, generation=3)
LOAN = Loan(lease=LEASE, record=None, key=bytes(32))
MINTED = cast("MintedToken", object())
REFUSED = Failure.of(Kind.PROVIDER_REFUSED, "no")


class Keeper:
    """Says what became of the grant, and whether its journal is free."""

    def __init__(self, fate: Fate = Fate.KEPT, *, free: bool = True) -> None:
        self.fate, self.free = fate, free
        self.settled: list[Any] = []

    async def settle(self, loan, outcome, journal):
        self.settled.append(outcome)
        return self.free, self.fate

    async def conclude(self, loan, outcome):
        self.settled.append(outcome)
        return self.fate


def use(keeper: Keeper) -> GrantUse:
    return GrantUse(cast("Any", keeper), LOAN)


@pytest.fixture
def journal(tmp_path) -> Journal:
    return JournalDirectory(tmp_path).create()


@pytest.mark.parametrize("fate", Fate)
async def test_what_became_of_the_grant_comes_with_the_outcome(journal, fate):
    """The lease is in the journal before the worker is asked."""
    keeper = Keeper(fate)

    async def mint(rotating):
        rotating.lend(journal)
        assert journal.read().lease == LEASE
        assert await rotating.settle(MINTED, journal)
        return MINTED

    assert await use(keeper).run(mint) == (MINTED, fate)
    assert keeper.settled == [MINTED]


async def test_a_failure_is_an_outcome(journal):
    """With what became of the grant, which a worker may have replaced all the same."""
    keeper = Keeper(Fate.REPLACED, free=False)

    async def mint(rotating):
        assert not await rotating.settle(REFUSED, journal)
        raise REFUSED.error()

    assert await use(keeper).run(mint) == (REFUSED, Fate.REPLACED)


async def test_where_no_worker_could_be_had_nothing_became_of_it():
    """Nothing was lent, so nothing is taken back."""
    keeper = Keeper(Fate.LOCKED)

    async def mint(_):
        raise BrokerError(Kind.INTERNAL, "no worker")

    outcome, fate = await use(keeper).run(mint)
    assert isinstance(outcome, Failure)
    assert (outcome.message, fate, keeper.settled) == ("no worker", Fate.KEPT, [])


@pytest.mark.parametrize("failure", [None, REFUSED])
async def test_a_grant_that_no_mint_replaces_is_concluded(failure):
    """However the mint ended."""
    keeper = Keeper(Fate.LOCKED)

    async def mint():
        await asyncio.sleep(0)
        if failure is not None:
            raise failure.error()
        return MINTED

    wanted = failure or MINTED
    assert await use(keeper).run_fixed(mint) == (wanted, Fate.LOCKED)
    assert keeper.settled == [wanted]
