"""Killing a process with everything below it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from credward.processes import (
    ProcessId,
    boot_id,
    descendants,
    hold,
    kill_below,
    kill_session,
    kill_tree,
)
from fakes.watching import gone, pids_in
from waiting import PATIENCE, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# A subreaper like a worker, below which processes move to groups and sessions of their own.
_TREE = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
script = 'echo $$ >>{0}; (setsid sh -c "echo \\\\$\\\\$ >>{0}; sleep 71" &); sh -c "echo \\\\$\\\\$ >>{0}; sleep 72 & wait" & wait'
subprocess.Popen(["sh", "-c", script.format(sys.argv[1])], process_group=0)
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def tree(tmp_path):
    """Return a process and the file with the pids below it."""
    mark = tmp_path / "pids"
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _TREE, str(mark)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    until(lambda: len(pids_in(mark)) == 3 and len(_sleepers(process.pid)) == 2)
    below = descendants(process.pid)
    yield process, mark
    for each in below:
        if not gone(each.pid):
            os.kill(each.pid, signal.SIGKILL)
    process.stdin.close()
    process.stdout.close()
    process.kill()
    process.wait()


def test_descendants_are_found_wherever_they_moved(tree):
    """Also what has lost its parent: it came back to the subreaper."""
    process, mark = tree
    found = {each.pid for each in descendants(process.pid)}

    assert set(pids_in(mark)) <= found
    assert process.pid not in found
    assert os.getpid() not in found


def test_t18_a_tree_dies_as_a_whole(tree):
    """The leader last, so that orphans could still be found."""
    process, mark = tree
    kill_tree(process.pid, programs=True)

    assert process.wait(PATIENCE) == -signal.SIGKILL
    until(lambda: all(gone(pid) for pid in pids_in(mark)))


def test_what_is_spared_lives(tree):
    """An agent that an earlier program left running on purpose."""
    process, _ = tree
    spared = _sleepers(process.pid)[0]

    kill_below(process.pid, spare={spared})

    assert not gone(spared.pid)
    # A killed process is below its parent until the kernel is done with it.
    until(lambda: descendants(process.pid) == {spared})
    assert not gone(spared.pid)


def _name(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def _sleepers(root):
    return [each for each in descendants(root) if _name(each.pid) == "sleep\n"]


def test_what_is_below_the_spared_lives(tree):
    """An agent may have helpers of its own."""
    process, mark = tree
    # One that waits for another; not a subshell, which may be about to leave.
    waiting = (each for each in descendants(process.pid) if each.pid in pids_in(mark))
    spared = next(each for each in waiting if descendants(each.pid))

    kill_below(process.pid, spare={spared})

    # A process that was killed may be seen for another moment.
    until(lambda: descendants(process.pid) == {spared} | descendants(spared.pid))


def test_a_reused_pid_is_not_spared_and_not_confused(tree):
    """A process is its pid and its start."""
    process, mark = tree
    wrong = {ProcessId(pid, 1) for pid in pids_in(mark)}

    kill_below(process.pid, spare=wrong)

    until(lambda: all(gone(pid) for pid in pids_in(mark)))


def test_a_session_is_killed_after_its_leader_died(tree):
    """What stayed in it; what left it is out of sight by then."""
    process, mark = tree
    process.kill()
    process.wait()

    kill_session(process.pid)

    until(lambda: gone(pids_in(mark)[0]))


def test_without_programs_only_the_group_is_killed(tree):
    """No look at /proc for a worker that starts nothing."""
    process, mark = tree
    kill_tree(process.pid, programs=False)

    assert process.wait(PATIENCE) == -signal.SIGKILL
    assert not gone(pids_in(mark)[0])


def test_who_is_dead_already_is_no_error():
    """Races are lost quietly."""
    process = subprocess.Popen(["true"])
    process.wait()

    kill_tree(process.pid, programs=True)
    kill_below(process.pid)
    assert descendants(process.pid) == frozenset()


def test_a_handle_is_of_this_very_process():
    """Not of another one with its pid, nor of one that has ended."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        this = ProcessId(process.pid, int(fields[19]))
        handle = hold(this)
        assert handle is not None
        assert select.select([handle], [], [], 0)[0] == []
        assert hold(this._replace(start_time=this.start_time + 1)) is None
        process.kill()
        assert select.select([handle], [], [], PATIENCE)[0] == [handle]
        assert hold(this) is None
        os.close(handle)
    assert hold(this) is None


def test_the_boot_has_a_name():
    """The same for all who ask."""
    assert len(boot_id()) == 36
    assert boot_id() == boot_id()
