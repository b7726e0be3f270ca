"""What tests of several folders start from: a grant side and its server, event loops, short paths."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from credward.store import store as store_module
from credward.store.passphrases import Argon2idTerms
from fakes.rotating_server import RotatingServer
from unit.administering.services import Services
from unit.grants.rig import GrantSide

MakeSide = Callable[..., GrantSide]


@pytest.fixture
def server() -> Iterator[RotatingServer]:
    """Return an identity provider on loopback."""
    with RotatingServer() as server:
        yield server


@pytest.fixture
async def make_side(tmp_path: Path, server: RotatingServer) -> AsyncIterator[MakeSide]:
    """Return a maker of grant sides on one state directory."""
    sides: list[GrantSide] = []

    def make(**options: Any) -> GrantSide:
        sides.append(GrantSide(tmp_path, server, **options))
        return sides[-1]

    yield make
    for side in sides:
        await side.end()


@pytest.fixture
async def side(make_side: MakeSide) -> GrantSide:
    """Return a grant side that was logged in."""
    side = make_side()
    await side.give()
    return side


@pytest.fixture
async def services(
    make_side: MakeSide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Services]:
    """Return the owner's side of a daemon that nobody logged in to."""
    monkeypatch.setattr(
        store_module,
        "new_terms",
        lambda: Argon2idTerms(salt=os.urandom(16), memory=64, passes=1, lanes=1),
    )
    side = make_side()
    await side.open()
    async with asyncio.TaskGroup() as tasks:
        services = Services(side, tmp_path, tasks)
        yield services
        services.upstream.gate.set()
        services.logins.close()
        services.driver.close()


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a coroutine on a loop of its own."""
    return asyncio.run


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """Return a directory whose paths fit into a socket address."""
    directory = tempfile.mkdtemp(prefix="cw-", dir="/tmp")
    yield Path(directory)
    shutil.rmtree(directory)
