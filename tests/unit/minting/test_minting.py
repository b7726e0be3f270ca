"""Mints on a grant that rotates: real workers, journals and store, and a server that remembers."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import threading

import msgspec
import pytest

from credward.errors import BrokerError, Kind
from credward.grants import keeper, loan
from credward.grants import records as grant_records
from credward.store import store as store_module
from credward.store.journal import GrantFields
from fakes.watching import gone
from unit.grants.rig import BOUND, GRANT
from waiting import PATIENCE, until_async


class Hold:
    """Holds the server's answer to one request until it is let go."""

    def __init__(self, server):
        self.reached, self._go = threading.Event(), threading.Event()
        self._server = server
        server.meanwhile = self

    def __call__(self):
        self._server.meanwhile = lambda: None
        self.reached.set()
        self._go.wait(PATIENCE)

    async def wait(self):
        await until_async(self.reached.is_set)

    def let_go(self):
        self._go.set()


async def test_a_rotation_is_in_the_store_before_its_token_is_out(side, server):
    """And its journal is free for the next one, by the same worker."""
    for number in (1, 2, 3):
        assert await side.mint() == f"token-{number}"
        assert side.record.secret == f"grant-{number}"
        assert side.record.generation == number
        assert not side.records.unsaved

    assert server.presented == ["grant-0", "grant-1", "grant-2"]
    assert len(side.pool.snapshot()) == 1


async def test_t2_a_late_joiner_uses_the_new_grant(side, server):
    """Of another credential on the same grant, which asked while the first mint was out."""
    hold = Hold(server)
    first = asyncio.create_task(side.mint())
    await hold.wait()
    second = asyncio.create_task(side.mint("second"))
    await asyncio.sleep(0.1)
    hold.let_go()

    assert [await first, await second] == ["token-1", "token-2"]
    assert server.presented == ["grant-0", "grant-1"]


async def test_t8_an_answer_without_a_grant_keeps_the_old_one(side, server):
    """Which stays good, and of the same generation."""
    server.script = ["keep", "rotate"]
    assert await side.mint() == "token-1"
    assert (side.record.secret, side.record.generation) == ("grant-0", 0)

    assert await side.mint() == "token-2"
    assert server.presented == ["grant-0", "grant-0"]


async def test_t9_a_refused_grant_is_parked_for_good(side, server, make_side):
    """No further request is sent, not by the next daemon either, until somebody logs in."""
    server.script = ["refuse"]
    for _ in range(2):
        with pytest.raises(
            BrokerError, match=r"needs a login since ..:..: run credward login"
        ) as caught:
            await side.mint()
        assert caught.value.kind is Kind.LOGIN_REQUIRED
    await side.end()

    after = make_side()
    with pytest.raises(BrokerError, match="needs a login since"):
        await after.mint("second")
    assert server.presented == ["grant-0"]
    await after.give()
    assert await after.mint() == "token-1"


@pytest.mark.parametrize("deed", ["busy", "cut before"])
async def test_t9_a_network_failure_never_takes_the_grant(side, server, make_side, deed):
    """Neither in memory nor on disk."""
    server.script = [deed] * 2
    with pytest.raises(BrokerError) as caught:
        await side.mint()
    assert caught.value.kind is Kind.PROVIDER_UNREACHABLE
    assert side.record.secret == "grant-0"
    await side.end()
    server.script = []

    after = make_side()
    assert await after.mint() == "token-1"
    assert set(server.presented) == {"grant-0"}


async def test_a_cut_off_exchange_is_tried_again_at_once_but_once(side, server):
    """With the same secret; each further time is the lifecycle's to choose."""
    server.script = ["cut before", "cut before", "cut before", "rotate"]
    with pytest.raises(BrokerError):
        await side.mint()
    assert len(server.presented) == 2
    assert side.record.ambiguous_at == side.clock.now()

    with pytest.raises(BrokerError):
        await side.mint()
    assert len(server.presented) == 3

    assert await side.mint() == "token-1"
    assert (side.record.ambiguous_at, side.record.generation) == (None, 1)
    assert set(server.presented) == {"grant-0"}


@pytest.mark.parametrize(
    ("deed", "secret"), [("rotate", "grant-1"), ("keep", "grant-0"), ("busy", "grant-0")]
)
async def test_the_first_definite_answer_ends_the_doubt(side, server, deed, secret):
    """Success does; that the server is busy says nothing of the grant."""
    server.script = ["cut before", deed]
    if deed == "busy":
        with pytest.raises(BrokerError):
            await side.mint()
        assert side.record.ambiguous_at is not None
    else:
        assert await side.mint() == "token-1"
        assert side.record.ambiguous_at is None
    assert side.record.secret == secret


async def test_a_grant_that_was_used_up_by_a_cut_off_exchange_is_parked(side, server):
    """The server rotated and nobody heard: the one try tells, and is the only one."""
    server.script = ["cut after"]
    with pytest.raises(BrokerError, match="needs a login since"):
        await side.mint()

    assert server.presented == ["grant-0", "grant-0"]
    with pytest.raises(BrokerError, match="needs a login since"):
        await side.mint()
    assert len(server.presented) == 2


async def test_rotation_retry_off_parks_at_once(make_side, server):
    """Where a second try would have the server revoke everything."""
    side = make_side(rotation_retry=False)
    await side.give()
    server.script = ["cut after"]

    with pytest.raises(BrokerError, match="rotation_retry is off") as caught:
        await side.mint()

    assert caught.value.kind is Kind.LOGIN_REQUIRED
    assert server.presented == ["grant-0"]


async def test_rotation_retry_off_holds_after_a_crash_too(make_side, server):
    """What a dead daemon left is not tried either."""
    side = make_side(rotation_retry=False)
    await side.give()
    hold = Hold(server)
    minting = asyncio.create_task(side.mint())
    await hold.wait()
    (pid,) = side.pool.pids()
    await side.end()
    with pytest.raises(BrokerError):
        await minting
    os.kill(pid, signal.SIGKILL)
    hold.let_go()
    await until_async(lambda: gone(pid))

    after = make_side(rotation_retry=False)
    with pytest.raises(BrokerError, match="rotation_retry is off"):
        await after.mint()
    assert server.presented == ["grant-0"]


@pytest.mark.parametrize(
    ("place", "presented"),
    [
        ("before send", []),
        ("after response", ["grant-0"]),
        ("before fsync", ["grant-0"]),
        ("after seal", ["grant-0"]),
    ],
)
async def test_t10_kill_9_of_the_worker(side, server, place, presented):
    """Costs the grant only between the server's answer and the seal, and that is counted."""
    side.die(place)
    lost = place == "after response"
    with pytest.raises(BrokerError) as caught:
        await side.mint()
    assert server.presented[:1] == presented
    assert side.keeper.ambiguities == lost
    if lost:
        assert caught.value.kind is Kind.LOGIN_REQUIRED
        assert server.reused == ["grant-0"]
        return

    assert caught.value.kind is Kind.INTERNAL
    assert side.record.ambiguous_at is None
    assert await side.mint() == f"token-{len(presented) + 1}"
    assert server.reused == []


async def test_t10_kill_9_of_the_worker_while_the_server_thinks(side, server):
    """It may have been used up: tried once more, at once, and here it was not."""
    server.script = ["cut before"]
    hold = Hold(server)
    minting = asyncio.create_task(side.mint())
    await hold.wait()
    (pid,) = side.pool.pids()
    os.kill(pid, signal.SIGKILL)

    assert await minting == "token-1"
    hold.let_go()
    assert server.presented == ["grant-0", "grant-0"]
    assert side.keeper.ambiguities == 1


async def test_t10_a_killed_daemon_waits_for_the_worker_that_it_left(side, server, make_side):
    """No mint on the grant until the journal's lock is free; then the new grant is used."""
    hold = Hold(server)
    lost = asyncio.create_task(side.mint())
    await hold.wait()
    (pid,) = side.pool.pids()
    await side.end()
    with pytest.raises(BrokerError):
        await lost
    assert not gone(pid), "the exchange was cut off"

    after = make_side()
    minting = asyncio.create_task(after.mint("second"))
    await asyncio.sleep(0.3)
    assert server.presented == ["grant-0"]
    hold.let_go()

    assert await minting == "token-2"
    assert server.presented == ["grant-0", "grant-1"]
    assert after.keeper.ambiguities == 0
    assert after.journal_files() == []


async def test_t10_sigterm_leaves_an_exchange_alone(side, server):
    """The signal to the worker itself, and nobody else mints in the last moments of the daemon."""
    hold = Hold(server)
    first = asyncio.create_task(side.mint())
    await hold.wait()
    second = asyncio.create_task(side.mint("second"))
    (pid,) = side.pool.pids()
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGINT)
    await side.pool.close()
    for task in (first, second):
        with pytest.raises(BrokerError):
            await task

    assert not gone(pid)
    assert server.presented == ["grant-0"]
    hold.let_go()
    await until_async(lambda: gone(pid))


async def test_t11_a_grant_that_is_given_up_in_mid_mint_stays_so(side, server):
    """The token is dropped, and what came back is not kept."""
    hold = Hold(server)
    minting = asyncio.create_task(side.mint())
    await hold.wait()
    await side.keeper.give_up(GRANT)
    hold.let_go()

    with pytest.raises(BrokerError, match="needs a login: run credward login gateway"):
        await minting
    assert side.keeper.peek(GRANT) is None
    assert server.presented == ["grant-0"]


async def test_t11_a_grant_that_is_replaced_in_mid_mint_wins(side, server):
    """Its mint is done again with the new one, whose token is the one that is handed out."""
    hold = Hold(server)
    minting = asyncio.create_task(side.mint())
    await hold.wait()
    await side.keeper.give(GRANT, "rotating", GrantFields(secret="first"), bound_to=BOUND)
    hold.let_go()

    assert await minting == "token-2"
    assert server.presented == ["grant-0", "first"]
    assert (side.record.secret, side.record.generation) == ("grant-2", 1)


@pytest.mark.parametrize("rotating", [True, False])
async def test_t11_given_up_while_the_store_is_written(make_side, server, monkeypatch, rotating):
    """After the answer and before the token is out is in mid-mint, too."""
    side = make_side(rotating=rotating)
    await side.give()
    server.script = ["rotate" if rotating else "keep"]
    save = side.records.save

    async def slow_save():
        monkeypatch.setattr(side.records, "save", save)
        await side.keeper.give_up(GRANT)
        return await save()

    monkeypatch.setattr(side.records, "save", slow_save)
    with pytest.raises(BrokerError, match="needs a login"):
        await side.mint()

    assert side.keeper.peek(GRANT) is None


async def test_t9_a_grant_that_does_not_rotate_is_parked_too(make_side, server):
    """And taken back when somebody logs out in mid-mint (T11)."""
    side = make_side(rotating=False)
    await side.give()
    server.script = ["refuse"]
    with pytest.raises(BrokerError, match="needs a login since"):
        await side.mint()
    await side.end()

    after = make_side(rotating=False)
    with pytest.raises(BrokerError, match="needs a login since"):
        await after.mint()
    assert server.presented == ["grant-0"]
    assert after.journal_files() == []


@pytest.fixture
def full_disk(monkeypatch):
    """Return a switch: from its call on the store cannot be written, until it is called again."""
    real = store_module.replace

    def switch(full=True):
        def fail(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(store_module, "replace", fail if full else real)

    return switch


async def test_a_store_that_cannot_be_written_stops_no_rotation(
    side, server, full_disk, monkeypatch
):
    """A journal keeps the newest grant and goes once the store has it; that is tried by itself."""
    monkeypatch.setattr(grant_records, "_SAVE_AGAIN_LAST", 0.1)
    side.records._wait = 0.1
    full_disk()
    assert [await side.mint(), await side.mint()] == ["token-1", "token-2"]
    assert side.keeper.view(GRANT).unsaved
    assert "cannot be written" in side.records.failure.message
    assert len(side.journal_files()) == 1

    full_disk(full=False)
    await until_async(lambda: not side.records.unsaved)
    assert (side.journal_files(), side.records.failure) == ([], None)
    assert await side.mint() == "token-3"


async def test_a_daemon_killed_with_an_unwritten_store_loses_nothing(
    side, server, make_side, full_disk
):
    """What the journals say is taken over, and each goes once a newer one or the store has it."""
    full_disk()
    for _ in range(3):
        await side.mint()
    side.records.close()
    for *_, journal in side.keeper._held:
        journal.close()

    after = make_side()
    assert await after.mint() == "token-4"
    assert len(after.journal_files()) == 1
    assert after.record.generation == 4
    after.records.close()
    for *_, journal in after.keeper._held:
        journal.close()
    full_disk(full=False)

    last = make_side()
    await last.open()
    await last.journal_replay.wait_for(GRANT)
    assert (last.record.secret, last.record.generation) == ("grant-4", 4)
    assert last.journal_files() == []
    assert server.reused == []


async def test_a_grant_that_is_durable_nowhere_holds_its_token_back(
    side, server, full_disk, monkeypatch
):
    """Neither journal nor store took it; the daemon still has it, and goes on with it."""
    full_disk()
    real = loan.ended_with

    def undurable(lease, outcome, state=None):
        ended = real(lease, outcome, state)
        return msgspec.structs.replace(ended, durable=False)

    monkeypatch.setattr(keeper, "ended_with", undurable)
    with pytest.raises(BrokerError, match="can be written nowhere: make room"):
        await side.mint()
    monkeypatch.undo()

    assert side.record.secret == "grant-1"
    assert await side.mint() == "token-2"
    assert server.presented == ["grant-0", "grant-1"]


async def test_a_first_use_is_remembered_before_it_is_made(make_side, server):
    """A grant that no login gives: the kill of both loses nothing, and the logout sticks."""
    side = make_side(login=False)
    hold = Hold(server)
    lost = asyncio.create_task(side.mint())
    await hold.wait()
    await side.end()
    with pytest.raises(BrokerError):
        await lost

    after = make_side(login=False)
    minting = asyncio.create_task(after.mint())
    await asyncio.sleep(0.1)
    hold.let_go()

    assert await minting == "token-2"
    assert server.presented == ["first", "grant-1"]


@pytest.mark.parametrize("what", ["pipe", "directory", "link", "dangling"])
async def test_what_is_no_journal_holds_nothing_up(make_side, server, what):
    """A journal is a file that was made as one; whatever else has its name is left alone."""
    side = make_side()
    await side.give()
    await side.mint()
    await side.end()
    other = side.journals / f"{what}.journal"
    match what:
        case "pipe":
            os.mkfifo(other, 0o600)
        case "directory":
            other.mkdir()
        case "link":
            other.symlink_to("/etc/passwd")
        case "dangling":
            other.symlink_to(side.journals / "nowhere")

    after = make_side()
    await after.open()

    assert await after.mint() == "token-2"
    assert os.path.lexists(other)


async def test_t10_mints_that_nobody_queued_take_turns(side, server):
    """A mint for another credential's sake is none that the lifecycle knows of; nothing is used twice."""
    tokens = await asyncio.gather(side.mint(), side.mint("second"), side.mint())

    assert len(set(tokens)) == 3
    assert side.record.generation == 3
    assert server.reused == []
