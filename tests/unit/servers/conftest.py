"""Both event loops, and a place for sockets."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a coroutine on each of the two loops that the daemon may use."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None

    def in_loop(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main)

    return in_loop


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """Return a directory whose paths fit into a socket address."""
    directory = tempfile.mkdtemp(prefix="cw-", dir="/tmp")
    yield Path(directory)
    shutil.rmtree(directory)
