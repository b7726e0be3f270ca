"""Journals of an earlier daemon: replayed, waited for, or in the way while nobody can read them."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest

from credward.errors import BrokerError, Kind
from credward.grants import journal_replay as recovery_module
from credward.grants.journal_replay import JournalReplay
from credward.store.journal import Journal, JournalDirectory, Lease

# Nothing here takes so long, on any machine (seconds).
PATIENCE = 60


class Keeper:
    """Notes what is replayed."""

    def __init__(self):
        self.replayed = []
        self.locked = False

    def check_open(self):
        if self.locked:
            raise BrokerError(Kind.STORE_LOCKED, "the store is locked: run credward unlock")

    async def replay(self, journals):
        for journal in journals:
            self.replayed.append(journal.path.name)
            journal.close()


class BadDisk:
    """Journals whose file names in *bad* cannot be read, and in *unlockable* not be asked."""

    def __init__(self, path):
        self.bad, self.unlockable = set(), set()
        self._directory = JournalDirectory(path)

    def leftovers(self):
        return self._directory.leftovers()

    def open(self, path):
        try:
            return _Journal(self, os.open(path, os.O_RDWR | os.O_CLOEXEC), path)
        except FileNotFoundError:
            return None


class _Journal(Journal):
    def __init__(self, disk, descriptor, path):
        super().__init__(descriptor, path)
        self._disk = disk

    def read(self):
        if self.path.name in self._disk.bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read()

    def lock(self):
        if self.path.name in self._disk.unlockable:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        return super().lock()


@pytest.fixture
def leave(tmp_path):
    """Return what leaves a journal behind: `leave(grant)`, with the lock of a worker that lives."""
    left = []

    def make(grant):
        directory = JournalDirectory(tmp_path)
        directory.spares = 0
        journal = directory.create()
        if grant is not None:
            journal.lend(Lease(mint=f"mint-{len(left)}", grant=grant, family=1, generation=0))
        left.append(journal)
        return journal

    yield make
    for journal in left:
        journal.close()


@pytest.fixture
async def begin(tmp_path, monkeypatch):
    """Return what begins a recovery, which looks again at once."""
    monkeypatch.setattr(recovery_module, "_FIRST", 0.0)
    monkeypatch.setattr(recovery_module, "_LAST", 0.0)
    tasks = []

    async def make():
        disk, keeper = BadDisk(tmp_path), Keeper()
        found = JournalReplay(
            keeper=keeper,
            journals=disk,
            spawn=lambda work: tasks.append(asyncio.get_running_loop().create_task(work)),
        )
        return found, disk, keeper

    yield make
    for task in tasks:
        task.cancel()
    for end in await asyncio.gather(*tasks, return_exceptions=True):
        # As in the daemon, whose end the failure of such a task is.
        assert end is None or isinstance(end, asyncio.CancelledError), end


async def turns(number=20):
    """Let everything that can go on do so."""
    for _ in range(number):
        await asyncio.sleep(0)


async def test_t10_what_nobody_writes_is_replayed_once(leave, begin):
    """However many ask at once."""
    dead = leave("a")
    dead.close()
    journal_replay, _, keeper = await begin()
    await asyncio.gather(*(journal_replay.wait_for(name) for name in "abc"), journal_replay.begin())

    assert keeper.replayed == [dead.path.name]


async def test_t10_only_the_grant_that_a_worker_holds_waits_for_it(leave, begin):
    """Its journal is replayed before whoever waits goes on; another grant does not wait."""
    worker = leave("a")
    idle = leave(None)
    journal_replay, _, keeper = await begin()
    waiting = [asyncio.create_task(journal_replay.wait_for("a")) for _ in range(3)]
    await journal_replay.wait_for("b")
    await turns()
    assert keeper.replayed == []
    assert not any(task.done() for task in waiting)
    worker.close()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*waiting)

    assert keeper.replayed == [worker.path.name]
    idle.close()


async def test_a_wait_that_is_cancelled_leaves_the_others_waiting(leave, begin):
    """Whoever gives up takes nothing with him."""
    worker = leave("a")
    journal_replay, _, _ = await begin()
    first, second = (asyncio.create_task(journal_replay.wait_for("a")) for _ in range(2))
    await turns()
    first.cancel()
    await turns()

    assert first.cancelled()
    assert not second.done()
    worker.close()
    async with asyncio.timeout(PATIENCE):
        await second


async def test_t10_a_survivor_whose_journal_cannot_be_read_is_in_the_way_of_every_grant(
    leave, begin
):
    """It may hold any: a coded failure that names the file, until the disk answers again."""
    worker = leave("a")
    journal_replay, disk, _ = await begin()
    await journal_replay.begin()
    disk.bad.add(worker.path.name)
    with pytest.raises(BrokerError) as caught:
        await journal_replay.wait_for("b")
    disk.bad.clear()
    await journal_replay.wait_for("b")

    assert caught.value.kind is Kind.INTERNAL
    assert caught.value.message == (
        f'"b" is not renewed, rotation journal {worker.path} of an earlier daemon cannot be read '
        "(Input/output error): check its disk"
    )


async def test_t10_a_survivor_that_ends_unreadable_is_not_forgotten(leave, begin):
    """What it brought is replayed once it can be read, and whoever waited hears of it till then."""
    worker = leave("a")
    journal_replay, disk, keeper = await begin()
    waiting = asyncio.create_task(journal_replay.wait_for("a"))
    await turns()
    disk.bad.add(worker.path.name)
    worker.close()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(BrokerError, match="cannot be read"):
            await waiting
    with pytest.raises(BrokerError, match="cannot be read"):
        await journal_replay.wait_for("b")
    assert keeper.replayed == []
    disk.bad.clear()
    await journal_replay.wait_for("b")

    assert keeper.replayed == [worker.path.name]


async def test_t10_a_journal_that_becomes_readable_may_still_be_written(leave, begin):
    """Then its worker is waited for like any other."""
    worker = leave("a")
    journal_replay, disk, keeper = await begin()
    disk.bad.add(worker.path.name)
    await journal_replay.begin()
    with pytest.raises(BrokerError, match="cannot be read"):
        await journal_replay.wait_for("a")
    disk.bad.clear()
    waiting = asyncio.create_task(journal_replay.wait_for("a"))
    await turns()
    assert not waiting.done()
    worker.close()
    async with asyncio.timeout(PATIENCE):
        await waiting

    assert keeper.replayed == [worker.path.name]


async def test_t10_a_journal_that_cannot_be_asked_whether_it_is_in_use_counts_as_used(leave, begin):
    """The daemon does not end with that; it asks again."""
    worker = leave("a")
    journal_replay, disk, keeper = await begin()
    waiting = asyncio.create_task(journal_replay.wait_for("a"))
    await turns()
    disk.unlockable.add(worker.path.name)
    worker.close()
    await turns()
    assert not waiting.done()
    disk.unlockable.clear()
    async with asyncio.timeout(PATIENCE):
        await waiting

    assert keeper.replayed == [worker.path.name]


async def test_a_journal_that_is_gone_is_in_nobodys_way(leave, begin):
    """Removed by hand while it could not be read."""
    dead = leave("a")
    dead.close()
    journal_replay, disk, keeper = await begin()
    disk.bad.add(dead.path.name)
    await journal_replay.begin()
    dead.path.unlink()
    await journal_replay.wait_for("a")

    assert keeper.replayed == []


async def test_a_locked_store_is_said_before_anything_is_replayed(leave, begin):
    """What a journal holds goes nowhere without the store."""
    leave("a").close()
    journal_replay, _, keeper = await begin()
    keeper.locked = True
    with pytest.raises(BrokerError) as caught:
        await journal_replay.wait_for("a")

    assert caught.value.kind is Kind.STORE_LOCKED
    assert keeper.replayed == []


async def test_rights_have_a_command_as_their_remedy(leave, begin, monkeypatch):
    """A disk has none."""
    dead = leave("a")
    dead.close()
    journal_replay, disk, _ = await begin()

    def forbidden(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(disk, "open", forbidden)
    with pytest.raises(BrokerError) as caught:
        await journal_replay.wait_for("a")

    assert caught.value.message.endswith(f"(Permission denied): run chmod 0600 {dead.path}")
