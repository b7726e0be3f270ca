"""Workers on demand: started, queued for, killed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from credward.errors import BrokerError, Kind
from credward.store.journal import JournalDirectory
from credward.workers import link
from credward.workers import pool as pool_module
from credward.workers.places import Places
from credward.workers.pool import Rotating
from fakes.clock import FakeClock
from fakes.watching import gone
from fakes.worker_program import worker_program
from waiting import PATIENCE, until, until_async

ECHO = {"command": ["echo", "the-token"], "lifetime": 60}
HANG = {"command": ["sleep", "600"], "lifetime": 60}


async def test_a_worker_is_started_on_demand_and_kept(make_pool, ask):
    """The second mint finds it warm."""
    pool = make_pool()
    assert pool.snapshot() == []

    for mints in (1, 2):
        minted = await pool.mint("command", ask(**ECHO), deadline=PATIENCE)
        (view,) = pool.snapshot()
        assert bytes(minted.body) == b"the-token"
        assert minted.token_id == "c2a73fcf61dfbdca"
        assert (view.provider, view.busy, view.mints) == ("command", False, mints)
        assert pool.pids() == {view.pid}


async def test_mints_at_once_have_workers_of_their_own(make_pool, ask, monkeypatch):
    """Up to the size, from which on they queue."""
    # However slow this machine is, none of them is taken for one that hangs.
    monkeypatch.setattr(pool_module, "Places", functools.partial(Places, patience=PATIENCE))
    pool = make_pool(size=2)
    slow = ask(command=["sh", "-c", "sleep 0.2; echo t"], lifetime=60)

    minting = [asyncio.create_task(pool.mint("command", slow, deadline=PATIENCE)) for _ in range(4)]
    await until_async(lambda: sum(view.busy for view in pool.snapshot()) == 2)
    await asyncio.gather(*minting)

    assert len(pool.snapshot()) == 2
    assert sum(view.mints for view in pool.snapshot()) == 4


async def test_t18_at_the_deadline_worker_and_program_are_killed(make_pool, ask, tmp_path):
    """With everything below: a child in the background, and one that left session and group."""
    pool = make_pool()
    script = f"(setsid sleep 601 & echo $! >>{tmp_path}/p); sleep 602 & echo $! >>{tmp_path}/p; sleep 603"
    hang = ask(command=["sh", "-c", script], lifetime=60, timeout=600)
    # The time is for the program: its worker is there already.
    await pool.mint("command", ask(**ECHO), deadline=PATIENCE)

    started = time.monotonic()
    with pytest.raises(BrokerError) as caught:
        await pool.mint("command", hang, deadline=6.0)

    assert time.monotonic() - started < PATIENCE
    assert (caught.value.kind, caught.value.sent) == (Kind.TIMED_OUT, "maybe")
    assert pool.snapshot() == []
    pids = [int(line) for line in (tmp_path / "p").read_text().split()]
    assert len(pids) == 2
    await until_async(lambda: all(gone(pid) for pid in pids))


async def test_t18_hung_commands_do_not_block_other_providers(make_pool, ask):
    """Eight of them hold every worker of `command`; `static` has its own."""
    pool = make_pool()
    hung = [asyncio.create_task(pool.mint("command", ask(**HANG), deadline=600)) for _ in range(8)]
    await until_async(lambda: sum(view.mints for view in pool.snapshot()) == 8)

    minted = await pool.mint("static", ask(secret={"env": "X"}, grant="value"), deadline=PATIENCE)
    with pytest.raises(BrokerError, match="all workers for provider command were busy") as caught:
        await pool.mint("command", ask(**ECHO), deadline=0.2)

    assert bytes(minted.body) == b"value"
    assert caught.value.sent == "no"
    for task in hung:
        task.cancel()
    await asyncio.gather(*hung, return_exceptions=True)
    assert len(pool.snapshot()) == 1


async def test_workers_that_are_sent_home_finish_what_they_do(make_pool, ask, tmp_path):
    """And begin nothing more; the next mint has one of its own."""
    pool = make_pool()
    await pool.mint("static", ask(secret={"env": "X"}, grant="value"), deadline=PATIENCE)
    waits = [
        "sh",
        "-c",
        f"touch {tmp_path}/on; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo t",
    ]
    busy = asyncio.create_task(
        pool.mint("command", ask(command=waits, lifetime=60), deadline=PATIENCE)
    )
    await until_async(lambda: (tmp_path / "on").exists())
    before = pool.pids()

    pool.send_home()

    assert [view.provider for view in pool.snapshot()] == ["command"]
    (tmp_path / "go").touch()
    assert bytes((await busy).body) == b"t"
    await until_async(lambda: pool.snapshot() == [])
    assert bytes((await pool.mint("command", ask(**ECHO), deadline=PATIENCE)).body) == b"the-token"
    assert not before & pool.pids()


async def test_a_queued_mint_gets_the_slot_of_a_killed_one(make_pool, ask):
    """A deadline frees its place."""
    pool = make_pool(size=1)
    await pool.mint("command", ask(**ECHO), deadline=PATIENCE)
    hung = asyncio.create_task(pool.mint("command", ask(**HANG), deadline=5))
    await until_async(lambda: sum(view.mints for view in pool.snapshot()) == 2)

    minted = await pool.mint("command", ask(**ECHO), deadline=PATIENCE)

    assert bytes(minted.body) == b"the-token"
    with pytest.raises(BrokerError, match="within 5 s"):
        await hung


async def test_t10_kill_9_in_mid_mint_fails_at_once_and_heals(make_pool, ask):
    """The end of the link says so; nobody waits for the deadline, and the next mint works."""
    pool = make_pool()
    minting = asyncio.create_task(pool.mint("command", ask(**HANG), deadline=600))
    await until_async(lambda: sum(view.mints for view in pool.snapshot()) == 1)

    killed_at = time.monotonic()
    os.kill(pool.snapshot()[0].pid, signal.SIGKILL)
    with pytest.raises(BrokerError, match="ended in mid-mint") as caught:
        await minting

    assert time.monotonic() - killed_at < PATIENCE
    assert (caught.value.kind, caught.value.sent) == (Kind.INTERNAL, "maybe")
    minted = await pool.mint("command", ask(**ECHO), deadline=PATIENCE)
    assert bytes(minted.body) == b"the-token"


@pytest.mark.skipif(sys.platform != "linux", reason="finds a session's processes in /proc")
async def test_a_killed_worker_leaves_no_program(make_pool, ask, tmp_path):
    """Its program is found by the session that the worker made."""
    pool = make_pool()
    script = f"echo $$ >{tmp_path}/p; exec sleep 64"
    minting = asyncio.create_task(
        pool.mint("command", ask(command=["sh", "-c", script], lifetime=60), deadline=600)
    )
    await until_async(lambda: (tmp_path / "p").exists() and (tmp_path / "p").read_text().strip())

    os.kill(pool.snapshot()[0].pid, signal.SIGKILL)
    with pytest.raises(BrokerError):
        await minting

    await until_async(lambda: gone(int((tmp_path / "p").read_text())))


async def test_a_worker_that_dies_in_its_sleep_costs_nothing(make_pool, ask):
    """Whether the daemon has noticed already or not."""
    pool = make_pool()
    for noticed in (True, False):
        await pool.mint("command", ask(**ECHO), deadline=PATIENCE)
        (view,) = pool.snapshot()
        os.kill(view.pid, signal.SIGKILL)
        if noticed:
            await until_async(lambda: not pool.snapshot())
        else:
            # No turn of the event loop: only the kernel knows.
            until(lambda: gone(view.pid))  # noqa: B023 - asked at once

        minted = await pool.mint("command", ask(**ECHO), deadline=PATIENCE)

        assert bytes(minted.body) == b"the-token"
        assert view.pid not in pool.pids()


async def test_an_idle_worker_leaves(make_pool, ask):
    """After a while, by the end of its link, and is buried; whoever overwrites freed memory is told."""
    left = []
    pool = make_pool(idle_after=0.2, on_left=lambda: left.append(pool.snapshot()))
    await pool.mint("command", ask(**ECHO), deadline=PATIENCE)
    (view,) = pool.snapshot()

    await until_async(lambda: pool.snapshot() == [])
    await until_async(lambda: not Path(f"/proc/{view.pid}").exists())
    assert left == [[]]


async def test_work_keeps_a_worker(make_pool, ask):
    """The time counts from the last mint."""
    pool = make_pool(idle_after=4)
    pids = set()
    for _ in range(5):
        await pool.mint("command", ask(**ECHO), deadline=PATIENCE)
        pids |= pool.pids()
        await asyncio.sleep(1.2)

    assert len(pids) == 1


async def test_a_mint_that_fails_keeps_its_worker(make_pool, ask):
    """A refusal is an answer like another."""
    pool = make_pool()
    with pytest.raises(BrokerError, match="no token") as caught:
        await pool.mint("command", ask(command=["false"]), deadline=PATIENCE)

    assert caught.value.kind is Kind.PROVIDER_REFUSED
    assert [view.busy for view in pool.snapshot()] == [False]


async def test_a_cancelled_mint_kills_its_worker(make_pool, ask):
    """Nothing goes on that nobody waits for."""
    pool = make_pool()
    minting = asyncio.create_task(pool.mint("command", ask(**HANG), deadline=600))
    await until_async(lambda: sum(view.mints for view in pool.snapshot()) == 1)
    (view,) = pool.snapshot()

    minting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await minting

    await until_async(lambda: gone(view.pid))
    assert pool.snapshot() == []


async def test_t7_a_token_that_has_expired_is_no_success(make_pool, ask):
    """By the daemon's clock, whatever the provider believes; the text is wiped."""
    pool = make_pool(clock=FakeClock(now=time.time() + 3600))

    with pytest.raises(BrokerError, match="expired already") as caught:
        await pool.mint("command", ask(**ECHO), deadline=PATIENCE)

    assert caught.value.kind is Kind.PROVIDER_REFUSED


async def test_an_unknown_provider_is_a_configuration_error(make_pool, ask):
    """Said by the worker, for the daemon knows no providers."""
    with pytest.raises(BrokerError, match='"nosuch" is not installed') as caught:
        await make_pool().mint("nosuch", ask(), deadline=PATIENCE)

    assert caught.value.kind is Kind.FIX_CONFIGURATION


async def test_close_kills_everything_in_time(make_pool, ask):
    """Hung, idle, and one that ignores signals."""
    pool = make_pool()
    hung = asyncio.create_task(pool.mint("command", ask(**HANG), deadline=600))
    await pool.mint("static", ask(secret={"env": "X"}, grant="value"), deadline=PATIENCE)
    await until_async(lambda: sum(view.mints for view in pool.snapshot()) == 2)
    pids = pool.pids()

    started = time.monotonic()
    await pool.close()

    assert time.monotonic() - started < PATIENCE
    assert all(not Path(f"/proc/{pid}").exists() for pid in pids)
    with pytest.raises(BrokerError, match="ended in mid-mint"):
        await hung


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (
            "say(HELLO.replace('\"0.', '\"9.')); hear()",
            r"worker is version 9.*daemon is 0.*: restart with credward serve",
        ),
        ("say('garbage'); hear()", "said what is no answer"),
        ("sys.exit(3)", "ended before its hello"),
        ('say(\'{"type":"failed"\'); hear()', "said what is no answer"),
        ("say(HELLO); hear(); say(HELLO); hear()", "gave the wrong answer to a mint"),
        ("say(HELLO); hear(); say('x' * 140000); hear()", "said too much in mid-mint"),
        ("say(HELLO); hear(); sys.exit(1)", "ended in mid-mint"),
        ("time.sleep(600)", "did not start within 3 s"),
    ],
)
async def test_a_worker_that_is_none_of_ours_is_not_believed(
    make_pool, ask, tmp_path, body, complaint
):
    """Nor left running, nor used again."""
    patience = 3 if "did not start" in complaint else PATIENCE
    pool = make_pool(executable=worker_program(tmp_path, body), hello_timeout=patience)

    with pytest.raises(BrokerError, match=complaint) as caught:
        await pool.mint("static", ask(secret={"env": "X"}, grant="v"), deadline=PATIENCE)

    assert caught.value.kind is Kind.INTERNAL
    assert pool.snapshot() == []


async def test_a_missing_interpreter_is_reported(make_pool, ask):
    """An upgrade may have removed it under a running daemon."""
    with pytest.raises(BrokerError, match="no worker can be started"):
        await make_pool(executable="/nonexistent/python").mint("local", ask(), deadline=PATIENCE)


async def test_settings_that_do_not_fit_a_line_are_refused(make_pool, ask):
    """Before anything is sent; the worker stays good."""
    pool = make_pool()
    big = ask(command=["echo", "x" * 140_000], lifetime=60)

    with pytest.raises(BrokerError, match="longer than 128 KiB") as caught:
        await pool.mint("command", big, deadline=PATIENCE)

    assert caught.value.sent == "no"
    assert [view.busy for view in pool.snapshot()] == [False]


_USED_UP = '"used_up":{"proof":5.0}}'


@pytest.mark.parametrize(
    "answer",
    [
        '{"type":"minted","token":"t","kind":"bearer","issued_at":1,"expires_at":null,' + _USED_UP,
        '{"type":"failed","kind":"internal","message":"m","recovery":"retry","sent":"no",'
        + _USED_UP,
    ],
)
async def test_what_was_used_up_is_known_before_the_outcome(make_pool, ask, tmp_path, answer):
    """So that whoever keeps it can make it durable first."""
    heard = []
    body = f"say(HELLO); hear(); say({answer!r}); hear()"
    pool = make_pool(executable=worker_program(tmp_path, body), on_used_up=heard.append)

    with contextlib.suppress(BrokerError):
        await pool.mint("static", ask(), deadline=PATIENCE)

    assert heard == [{"proof": 5.0}]


# --- mints that may replace their grant: settled when the worker can write no more

_REFUSED = link.Failed.of(BrokerError(Kind.PROVIDER_REFUSED, "no token", sent="no"))
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

    def terms(self):
        return Rotating(lend=self.lend, settle=self.settle)

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
    return asyncio.create_task(pool.mint("fake", ask(), deadline=deadline, rotating=grant.terms()))


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
    with pytest.raises(BrokerError, match="ended in mid-mint"):
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

    assert (caught.value.kind, caught.value.sent) == (Kind.TIMED_OUT, "maybe")
    assert [(each.kind, each.sent) for each in grant.outcomes] == [(Kind.TIMED_OUT, "maybe")]
    assert grant.alive == [False]
    assert pool.snapshot() == []


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
    assert (caught.value.kind, caught.value.sent) == (Kind.INTERNAL, "no")
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
    assert caught.value.sent == "no"
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
