"""One worker process, from birth to burial."""

from __future__ import annotations

import asyncio
import sys
import sysconfig
from pathlib import Path

import credward
from credward.clock import SystemClock
from credward.workers.link import MintRequest
from credward.workers.worker import Worker, _arguments
from fakes.worker_program import worker_program
from waiting import PATIENCE

ENVIRON = {"HOME": "/", "LANG": "C"}
REQUEST = MintRequest(
    credential="c",
    settings={"command": ["echo", "t"], "lifetime": 60},
    now=SystemClock().now(),
)


async def start(ended, executable=sys.executable):
    """Return a started worker of `command`."""
    worker = Worker("command", on_end=ended.append)
    await worker.start(executable, ENVIRON)
    return worker


async def test_from_birth_to_burial():
    """Its end is told once, and nothing of it is left."""
    ended = []
    worker = await start(ended)
    pid = worker.pid
    assert (worker.alive, worker.mints, ended) == (True, 0, [])
    assert (await worker.mint(REQUEST)).body == b"t"
    assert worker.mints == 1

    worker.kill()
    worker.kill()
    await asyncio.wait_for(worker.reaped.wait(), PATIENCE)

    assert (worker.alive, ended) == (False, [worker])
    assert not Path(f"/proc/{pid}").exists()


async def test_a_retired_worker_leaves_by_itself():
    """By the end of its link; no signal is needed."""
    worker = await start([])
    worker.retire()

    await asyncio.wait_for(worker.reaped.wait(), PATIENCE)
    assert worker._process is not None
    assert worker._process.returncode == 0


async def test_a_retired_worker_that_stays_is_killed(tmp_path):
    """A second later."""
    worker = await start([], worker_program(tmp_path, "say(HELLO); time.sleep(600)"))
    worker.retire()

    await asyncio.wait_for(worker.reaped.wait(), PATIENCE)
    assert worker._process is not None
    assert worker._process.returncode == -9


def test_h3_nothing_secret_in_argv_or_environment():
    """Grants travel on the link; argv says which provider, and where the code is."""
    assert _arguments("command", 7, -1)[-4:-1] == ["command", "7", "-1"]
    assert not any("=" in word for word in _arguments("command", 7, -1))


def test_an_installed_package_is_run_as_a_module(monkeypatch):
    """No directory has to be added then."""
    site = sysconfig.get_path("purelib")
    monkeypatch.setattr(credward, "__file__", f"{site}/credward/__init__.py")

    assert _arguments("command", 7, -1) == ["-m", "credward.workers", "command", "7", "-1"]
