"""Who is above a process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from credward.callers import linux
from credward.callers.ancestry import Ancestry, Stat, walk
from credward.callers.caller import Process
from credward.callers.mounts import MountTable
from waiting import PATIENCE, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def above(pid: int) -> Ancestry:
    stat = linux.read_stat(pid)
    assert stat is not None
    mounts = MountTable()
    processes = linux.Processes(mounts)
    try:
        return walk(*(pid, stat, linux.program_path(pid), processes), seen=True, relays_above=True)
    finally:
        mounts.close()


def test_the_walk_ends_at_the_top() -> None:
    """Complete, nearest first, down to pid 1."""
    found = above(os.getpid())

    assert found.complete
    assert found.ancestors[0].pid == os.getppid()
    assert found.ancestors[-1].pid == 1


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


class Table:
    """Processes by number: name, parent, path, and whether the file is certain."""

    def __init__(self, **rows: tuple[str, int, str | None, bool]) -> None:
        self.rows = {int(key[1:]): row for key, row in rows.items()}
        self.asked: list[int] = []

    def stat(self, pid: int) -> Stat | None:
        row = self.rows.get(pid)
        return None if row is None else Stat(row[0], row[1], pid * 10)

    def path(self, pid: int) -> str | None:
        return self.rows[pid][2]

    def sees(self, pid: int) -> bool:
        self.asked.append(pid)
        return self.rows[pid][3]

    def walk(self, pid: int, *, seen: bool, relays_above: bool = True) -> Ancestry:
        stat = self.stat(pid)
        assert stat is not None
        return walk(pid, stat, self.path(pid), self, seen=seen, relays_above=relays_above)


def test_a_process_that_vanishes_breaks_the_walk_off() -> None:
    """What cannot be seen twice is absent, not guessed."""
    gone = Table(p9=("x", 8, None, False)).walk(9, seen=False)

    assert not gone.complete
    assert gone.agent is None
    assert gone.ancestors == ()


def test_s8_a_harness_is_its_own_agent() -> None:
    """S-8: below another one it is the nearest; a shell above it does not matter."""
    table = Table(
        p9=("claude", 8, "/usr/bin/node", True),
        p8=("sh", 7, "/bin/dash", True),
        p7=("codex", 0, None, True),
    )
    found = table.walk(9, seen=True)

    assert (found.harness, found.agent) == ("claude", Process(pid=9, start_time=90, name="claude"))
    assert table.walk(8, seen=True).harness == "codex"


def test_s3_a_relay_is_looked_for_up_to_the_first_program_that_is_certain() -> None:
    """S-3: and not at all above one that is certain itself."""
    table = Table(
        p9=("x", 8, None, False),
        p8=("sh", 7, "/bin/sh", False),
        p7=("socat", 6, None, False),
        p6=("bash", 5, "/bin/bash", True),
        p5=("sshd", 0, None, False),
    )

    assert table.walk(9, seen=False).relay == "socat"
    assert table.walk(9, seen=False, relays_above=False).relay is None
    assert table.walk(6, seen=False).relay == "sshd"
    table.rows[7] = ("less", 6, None, False)
    assert table.walk(9, seen=False).relay is None
    table.asked.clear()
    assert table.walk(9, seen=True).relay is None
    assert table.asked == []


@pytest.mark.parametrize("seen", [True, False])
def test_s3_a_relay_says_what_it_is_by_its_name_or_its_file(seen: bool) -> None:
    """S-3: also where the file is certain, for `socat` may be a link to a file of another name."""
    table = Table(p9=("make", 0, "/usr/bin/socat", True), p8=("socat", 0, "/usr/bin/make", True))

    assert table.walk(9, seen=seen).relay == "socat"
    assert table.walk(8, seen=seen).relay == "socat"
