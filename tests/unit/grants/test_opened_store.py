"""Wrong passphrases are tried one at a time, ever more slowly, and cost nobody else anything (H6)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from credward.config.model import Config, StoreConfig
from credward.errors import BrokerError, Kind
from credward.grants import opened_store as opened_store_module
from credward.grants.opened_store import OpenedStore
from credward.store import store as store_module
from credward.store.passphrases import Argon2idTerms
from credward.tokens import Secret
from credward.workers.pool import WorkerPool
from fakes.clock import FakeClock
from waiting import PATIENCE

RIGHT, WRONG = Secret("correct horse"), Secret("battery staple")


class Bench:
    """A store under a key file, opened, locked by passphrase; *slept* is what guesses waited."""

    def __init__(self, folder: Path) -> None:
        self.config = Config(store=StoreConfig(key="key_file", key_file=folder / "store.key"))
        self.folder = folder
        self.slept: list[float] = []
        self.waiting = self.most_waiting = 0
        self.box = self.another()

    def another(self) -> OpenedStore:
        """Return the store of the next daemon."""
        clock = FakeClock()
        return OpenedStore(
            clock=clock,
            pool=WorkerPool(clock=clock, environ={}),
            state_dir=self.folder,
            key_file=self.folder / "store.key",
            environ={},
        )

    async def guess(self, passphrase: Secret = WRONG) -> None:
        await self.box.unlock(self.config, passphrase)

    async def refused(self) -> None:
        with pytest.raises(BrokerError) as caught:
            await self.guess()
        assert caught.value.kind is Kind.DENIED


async def given_turn() -> None:
    """Let others run, whatever became of `asyncio.sleep`."""
    turn = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(turn.set_result, None)
    await turn


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(
        store_module,
        "new_terms",
        lambda: Argon2idTerms(salt=os.urandom(16), memory=64, passes=1, lanes=1),
    )
    bench = Bench(tmp_path)
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        bench.slept.append(seconds)
        bench.waiting += 1
        bench.most_waiting = max(bench.most_waiting, bench.waiting)
        await real(0.01)
        bench.waiting -= 1

    monkeypatch.setattr(opened_store_module.asyncio, "sleep", sleep)
    await bench.box.open(bench.config)
    bench.box.put("secret:a", b"value")
    bench.box.save()
    await bench.box.lock(RIGHT)
    return bench


async def test_h6_each_wrong_passphrase_takes_longer_ten_seconds_at_most(bench: Bench) -> None:
    """The first costs nothing but its work; the right one waits as well, and then it is forgotten."""
    for _ in range(7):
        await bench.refused()
    assert bench.slept == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    await bench.guess(RIGHT)
    assert bench.slept[6:] == [10.0]
    assert not bench.box.locked

    await bench.box.lock(RIGHT)
    await bench.refused()
    assert len(bench.slept) == 7


async def test_h6_a_thousand_wrong_ones_lock_nobody_out(bench: Bench) -> None:
    """Ten seconds stay ten seconds, and the right passphrase opens it."""
    bench.box._wrong = 5000
    await bench.refused()
    assert bench.slept == [10.0]
    await bench.guess(RIGHT)

    assert not bench.box.locked


async def test_h6_guesses_at_the_same_time_wait_for_each_other(bench: Bench) -> None:
    """Many connections guess no faster than one."""
    await asyncio.gather(*(bench.refused() for _ in range(6)))

    assert bench.slept == [1.0, 2.0, 4.0, 8.0, 10.0]
    assert bench.most_waiting == 1


async def test_h6_a_guess_that_waits_keeps_nobody_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks meanwhile hears at once that it is locked."""
    await bench.refused()
    held = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        await held.wait()

    monkeypatch.setattr(opened_store_module.asyncio, "sleep", sleep)
    guessing = asyncio.get_running_loop().create_task(bench.guess(RIGHT))
    for _ in range(10):
        async with asyncio.timeout(PATIENCE):
            await bench.box.open(bench.config)
            with pytest.raises(BrokerError) as caught:
                bench.box.get("secret:a")
        assert caught.value.kind is Kind.STORE_LOCKED
    assert not guessing.done()
    held.set()
    await guessing

    entry = bench.box.get("secret:a")
    assert entry is not None
    assert entry.plain == b"value"


async def test_h6_a_guess_that_nobody_waits_for_any_more_counts(bench: Bench) -> None:
    """Hanging up before the answer buys no free guesses."""
    for number in range(3):
        guessing = asyncio.get_running_loop().create_task(bench.guess())
        async with asyncio.timeout(PATIENCE):
            while bench.box._wrong <= number:
                await given_turn()
        guessing.cancel()
        await asyncio.gather(guessing, return_exceptions=True)
    bench.slept.clear()
    await bench.refused()

    assert bench.slept[-1] >= 4.0


async def test_h6_a_lock_and_an_unlock_outlast_the_daemon(bench: Bench) -> None:
    """Locked, the key file opens nothing; unlocked, it opens it again without a word."""
    locked = bench.another()
    await locked.open(bench.config)
    assert locked.locked
    with pytest.raises(BrokerError) as caught:
        await locked.unlock(bench.config, WRONG)
    assert caught.value.kind is Kind.DENIED
    await locked.unlock(bench.config, RIGHT)

    opened = bench.another()
    await opened.open(bench.config)
    entry = opened.get("secret:a")
    assert entry is not None
    assert entry.plain == b"value"
