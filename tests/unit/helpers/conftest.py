"""What tests of the helpers share: each implementation, and a directory short enough for a socket."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from transcripts.programs import program, variants


@pytest.fixture(params=variants("musl", "clang-sanitized", "twin"))
def helper(request: pytest.FixtureRequest) -> list[str]:
    """The command of one implementation."""
    command = program(request.param)
    if command is None:
        pytest.skip(f"no compiler for {request.param}")
    return command


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory of the test's own; its path leaves room for a socket's."""
    path = Path(tempfile.mkdtemp(prefix="cw-", dir="/tmp"))
    yield path
    # A daemon that was started too late for its test may be about to clean up.
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def environment(directory: Path) -> dict[str, str]:
    """An environment whose socket is at `directory`/run/credward/credward.sock, without auto-start."""
    (directory / "run").mkdir(mode=0o700)
    (directory / "home").mkdir(mode=0o700)
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(directory / "home"),
        "XDG_RUNTIME_DIR": str(directory / "run"),
        "CREDWARD_NO_START": "1",
        "ASAN_OPTIONS": "detect_leaks=0",
    }


@pytest.fixture
def socket_path(directory: Path) -> Path:
    """Where the helper looks first."""
    return directory / "run/credward/credward.sock"
