"""Mints that may replace their grant: settled when the worker can write no more, each in its journal."""

from __future__ import annotations

import asyncio
import errno
import os
import signal

import pytest

from credward.errors import BrokerError, Failure, Kind
from credward.store.journal import JournalDirectory
from credward.workers import link
from fakes.watching import gone
from fakes.worker_program import worker_program
from waiting import PATIENCE, until_async

_REFUSED = link.Failed.of(Failure.of(Kind.PROVIDER_REFUSED, "no token", sent="no"))
FAILED = link.encode_answer(_REFUSED).decode().strip()


class Grant:
    """Whoever keeps the grant: notes what it was told, in which order, and about whom."""

    def __init__(self, *, reusable=True, lendable=True):
        self.reusable, self.lendable = reusable, lendable
        self.outcomes, self.journals, self.alive = [], [], []
        self.pid = None
        self.settling = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    def lend(self, journal):
        if not self.lendable:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def settle(self, outcome, journal):
        self.alive.append(self.pid is not None and not gone(self.pid))
        self.outcomes.append(outcome)
        self.journals.append(journal)
        self.settling.set()
        await self.go.wait()
        return self.reusable


@pytest.fixture
def journals(tmp_path):
    """Return where journals lie."""
    return JournalDirectory(tmp_path / "journals")


@pytest.fixture
def pool_of(make_pool, tmp_path, journals):
    """Return a maker of pools of one worker each, which does as it is told."""

    def make(body, **options):
        program = worker_program(tmp_path, "say(HELLO)\n" + body)
        options = {"size": 1, "hello_timeout": PATIENCE, "journals": journals, **options}
        return make_pool(executable=program, **options)

    return make


def mint(pool, ask, grant, deadline=PATIENCE):
    return asyncio.create_task(pool.mint("fake", ask(), deadline=deadline, rotating=grant))


REFUSES = f"while True: hear(); say({FAILED!r})"
HANGS = "hear(); time.sleep(600)"


async def busy(pool):
    """Wait until the worker has its mint, and return its pid."""
    await until_async(lambda: sum(view.mints for view in pool.snapshot()) == 1)
    return pool.snapshot()[0].pid


async def test_nobody_else_gets_the_worker_before_its_mint_is_settled(pool_of, ask):
    """The next one would write its lease over what is not taken over yet."""
    pool, first, second = pool_of(REFUSES), Grant(), Grant()
    first.go.clear()
    one = mint(pool, ask, first)
    await asyncio.wait_for(first.settling.wait(), PATIENCE)
    two = mint(pool, ask, second)
    await asyncio.sleep(0.1)
    assert not one.done()
    assert second.outcomes == []
    first.go.set()
    for task in (one, two):
        with pytest.raises(BrokerError, match="no token"):
            await task

    assert first.journals == second.journals, "a journal of its own for each mint"
    assert pool.snapshot()[0].mints == 2


async def test_a_journal_that_is_still_needed_is_never_lent_again(pool_of, ask, journals, tmp_path):
    """Its worker leaves; the file stays where it is for whoever keeps grants."""
    pool, kept, next_one = pool_of(REFUSES), Grant(reusable=False), Grant()
    with pytest.raises(BrokerError, match="no token"):
        await mint(pool, ask, kept)
    with pytest.raises(BrokerError, match="no token"):
        await mint(pool, ask, next_one)

    assert kept.journals[0] is not next_one.journals[0]
    assert kept.journals[0].path.exists()


async def test_t10_a_dead_workers_mint_is_settled_once_it_is_dead_for_good(pool_of, ask):
    """Until then it may still write what it was brought."""
    pool, grant = pool_of(HANGS), Grant()
    task = mint(pool, ask, grant)
    grant.pid = await busy(pool)
    os.kill(grant.pid, signal.SIGKILL)
    with pytest.raises(BrokerError, match="ended during a mint"):
        await task

    assert grant.alive == [False]
    (outcome,) = grant.outcomes
    assert (outcome.kind, outcome.sent) == (Kind.INTERNAL, "maybe")


async def test_t10_an_exchange_that_hangs_is_killed_and_settled_as_unknown(pool_of, ask):
    """The server may have used the grant up."""
    pool, grant = pool_of(HANGS), Grant(reusable=False)
    task = mint(pool, ask, grant, deadline=6)
    grant.pid = await busy(pool)
    with pytest.raises(BrokerError) as caught:
        await task

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.TIMED_OUT, "maybe")
    assert [(each.kind, each.sent) for each in grant.outcomes] == [(Kind.TIMED_OUT, "maybe")]
    assert grant.alive == [False]
    assert pool.snapshot() == []


@pytest.mark.slow
async def test_t10_the_deadline_does_not_cut_the_settling_short(pool_of, ask):
    """An outcome is there: a slow disk is no reason to lose it, and not the exchange's fault."""
    pool, grant = pool_of(REFUSES), Grant()
    grant.go.clear()
    task = mint(pool, ask, grant, deadline=5)
    await asyncio.wait_for(grant.settling.wait(), PATIENCE)
    await asyncio.sleep(5.5)
    assert not task.done()
    grant.go.set()
    with pytest.raises(BrokerError, match="no token"):
        await task


@pytest.mark.slow
async def test_t10_what_was_waited_for_is_not_the_exchanges_to_lose(pool_of, ask):
    """It begins with its whole time, however long it stood in the queue."""
    slow = f"hear(); say({FAILED!r})\nwhile True: hear(); time.sleep(4); say({FAILED!r})"
    pool, first, second = pool_of(slow), Grant(), Grant()
    # Its start is not what is measured.
    await asyncio.gather(mint(pool, ask, Grant()), return_exceptions=True)
    await asyncio.gather(
        mint(pool, ask, first), mint(pool, ask, second, deadline=7.5), return_exceptions=True
    )

    # Four seconds in the queue and four of its own are more than its deadline.
    assert [each.kind for each in second.outcomes] == [Kind.PROVIDER_REFUSED]


async def test_t10_a_lease_that_cannot_be_written_sends_nothing(pool_of, ask):
    """The worker is not even asked, and serves the next mint."""
    pool, grant = pool_of(REFUSES), Grant(lendable=False)
    with pytest.raises(BrokerError) as caught:
        await mint(pool, ask, grant)
    assert (caught.value.kind, caught.value.failure.sent) == (Kind.INTERNAL, "no")
    assert "journal cannot be written (No space left on device)" in caught.value.message
    assert [view.mints for view in pool.snapshot()] == [0]
    grant.lendable = True
    with pytest.raises(BrokerError, match="no token"):
        await mint(pool, ask, grant)

    assert [view.mints for view in pool.snapshot()] == [1]


async def test_t10_without_room_for_a_journal_no_worker_is_started(
    pool_of, ask, journals, monkeypatch
):
    """For what could be kept nowhere; and said in one line."""
    grant = Grant()

    def full():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(journals, "create", full)
    pool = pool_of(REFUSES)
    with pytest.raises(BrokerError, match="journal cannot be written") as caught:
        await mint(pool, ask, grant)
    assert caught.value.failure.sent == "no"
    with pytest.raises(BrokerError, match="has no rotation journals"):
        await mint(pool_of(REFUSES, journals=None), ask, grant)

    assert pool.snapshot() == []
    assert grant.outcomes == []


async def test_t10_the_end_of_the_daemon_leaves_an_exchange_alone(pool_of, ask):
    """Its worker lives on, with the lock of its journal; nothing is settled by a guess."""
    pool, grant = pool_of(HANGS), Grant()
    task = mint(pool, ask, grant)
    pid = await busy(pool)
    try:
        await pool.close()
        task.cancel()
        await asyncio.wait({task}, timeout=PATIENCE)
        assert not gone(pid)
        assert grant.outcomes == []
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_the_end_of_a_container_waits_for_an_exchange_and_begins_no_other(pool_of, ask):
    """Up to its patience: what is killed with the first process cannot finish on its own."""
    pool, grant = pool_of(REFUSES), Grant()
    grant.go.clear()
    task = mint(pool, ask, grant)
    await asyncio.wait_for(grant.settling.wait(), PATIENCE)
    await pool.finish(0.1)
    assert not task.done()
    finishing = asyncio.create_task(pool.finish(PATIENCE))
    await asyncio.sleep(0.2)
    assert not finishing.done()
    grant.go.set()
    await asyncio.wait_for(finishing, PATIENCE)

    with pytest.raises(BrokerError, match="no token"):
        await task
