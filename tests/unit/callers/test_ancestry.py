"""Who is above a process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from credward.callers import linux
from credward.callers.ancestry import Ancestry, walk
from waiting import PATIENCE, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def above(pid: int) -> Ancestry:
    stat = linux.read_stat(pid)
    assert stat is not None
    files = linux.StatFiles()
    try:
        return walk(pid, stat, files)
    finally:
        files.close()


def test_the_walk_ends_at_the_top() -> None:
    """Complete, nearest first, down to pid 1."""
    found = above(os.getpid())

    assert found.complete
    assert found.pids[0] == os.getppid()
    assert found.pids[-1] == 1


def test_shells_are_skipped_and_the_harness_is_found(tmp_path: Path) -> None:
    """Claude -> sh -> sleep: claude asks, and claude is the harness."""
    harness = tmp_path / "claude"
    shutil.copy("/bin/bash", harness)
    pids = tmp_path / "pid"
    child = subprocess.Popen([harness, "-c", f"sh -c 'sleep 300 & echo $! >{pids}; wait'; true"])
    try:
        until(lambda: pids.exists() and pids.read_text().strip())
        found = above(int(pids.read_text()))

        assert found.harness == "claude"
        assert found.agent is not None
        assert (found.agent.pid, found.agent.name) == (child.pid, "claude")
        assert found.complete
    finally:
        subprocess.run(["kill", pids.read_text().strip()], check=False)
        child.wait(PATIENCE)


def test_a_process_that_vanishes_breaks_the_walk_off() -> None:
    """What cannot be seen twice is absent, not guessed."""
    child = subprocess.Popen(["true"])
    child.wait()
    gone = walk(child.pid, linux.Stat("x", child.pid, 1), linux.StatFiles())

    assert not gone.complete
    assert gone.agent is None
