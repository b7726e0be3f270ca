"""Workers on demand: started, queued for, killed."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from credward.errors import BrokerError, Kind
from credward.tokens import Secret
from credward.upstream import Question
from credward.workers import pool as pool_module
from credward.workers.link import ProbeRequest
from credward.workers.slots import Slots
from fakes.clock import FakeClock
from fakes.model_service import ModelService
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
    monkeypatch.setattr(pool_module, "Slots", functools.partial(Slots, patience=PATIENCE))
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
    assert (caught.value.kind, caught.value.failure.sent) == (Kind.TIMED_OUT, "maybe")
    assert pool.snapshot() == []
    pids = [int(line) for line in (tmp_path / "p").read_text().split()]
    assert len(pids) == 2
    await until_async(lambda: all(gone(pid) for pid in pids))


async def test_a_probe_that_hangs_is_killed_at_its_deadline(make_pool):
    """Its worker is none of those that mint, and nothing of it stays."""
    pool = make_pool()
    with ModelService() as service:
        answering = threading.Event()
        service.before = lambda: answering.wait(PATIENCE)
        request = ProbeRequest(
            credential="gateway",
            question=Question(
                url=f"{service.url}/v1/messages",
                headers={"anthropic-version": "1"},
                body='{"model": "m", "max_tokens": 1, "messages": [1]}',
                present="both",
                timeout=PATIENCE,
            ),
            token=Secret("t"),
            kind="bearer",
            now=0.0,
        )
        asking = asyncio.create_task(pool.probe(request, deadline=8.0))
        await until_async(lambda: service.received or asking.done())
        (pid,) = pool.pids()
        assert pool.snapshot() == []
        with pytest.raises(BrokerError) as caught:
            await asking
        answering.set()

    assert caught.value.kind is Kind.TIMED_OUT
    assert "was not answered within 8 s" in caught.value.message
    await until_async(lambda: gone(pid))
    assert pool.pids() == frozenset()


async def test_t18_hung_commands_do_not_block_other_providers(make_pool, ask, monkeypatch):
    """Eight of them hold every worker of `command`; `static` has its own."""
    # However slow this machine is, none of them has made room for another one yet.
    monkeypatch.setattr(pool_module, "Slots", functools.partial(Slots, patience=PATIENCE))
    pool = make_pool()
    hung = [asyncio.create_task(pool.mint("command", ask(**HANG), deadline=600)) for _ in range(8)]
    await until_async(lambda: sum(view.mints for view in pool.snapshot()) == 8)

    minted = await pool.mint("static", ask(secret={"env": "X"}, grant="value"), deadline=PATIENCE)
    with pytest.raises(BrokerError, match="all workers for provider command were busy") as caught:
        await pool.mint("command", ask(**ECHO), deadline=0.2)

    assert bytes(minted.body) == b"value"
    assert caught.value.failure.sent == "no"
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


@pytest.mark.slow
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
    with pytest.raises(BrokerError, match="ended during a mint") as caught:
        await minting

    assert time.monotonic() - killed_at < PATIENCE
    assert (caught.value.kind, caught.value.failure.sent) == (Kind.INTERNAL, "maybe")
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


@pytest.mark.slow
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

    with pytest.raises(BrokerError, match="already expired") as caught:
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
    with pytest.raises(BrokerError, match="ended during a mint"):
        await hung


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (
            "say(HELLO.replace('\"0.', '\"9.')); hear()",
            r"worker is version 9.*daemon is 0.*: restart with credward serve",
        ),
        ("say('garbage'); hear()", "sent an invalid answer"),
        ("sys.exit(3)", "ended before its hello"),
        ('say(\'{"type":"failed"\'); hear()', "sent an invalid answer"),
        ("say(HELLO); hear(); say(HELLO); hear()", "gave the wrong answer to a mint"),
        ("say(HELLO); hear(); say('x' * 140000); hear()", "sent too much during a mint"),
        ("say(HELLO); hear(); sys.exit(1)", "ended during a mint"),
        ("time.sleep(600)", "did not start within 1 s"),
    ],
)
async def test_a_worker_that_is_none_of_ours_is_not_believed(
    make_pool, ask, tmp_path, body, complaint
):
    """Nor left running, nor used again."""
    patience = 1 if "did not start" in complaint else PATIENCE
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

    assert caught.value.failure.sent == "no"
    assert [view.busy for view in pool.snapshot()] == [False]


_USED_UP = '"used_up":{"proof":5.0}}'


@pytest.mark.parametrize(
    "answer",
    [
        '{"type":"minted","token":"t","kind":"bearer","issued_at":1,"expires_at":null,' + _USED_UP,
        '{"type":"failed","kind":"internal","cause":"m","recovery":"retry","sent":"no",' + _USED_UP,
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
