"""Leaving the terminal: the parent learns how the start went, and the child holds none of its descriptors."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from waiting import PATIENCE

SOURCE = Path(__file__).parents[3] / "broker"

PROGRAM = """
import os, sys, time
from credward.daemon.detach import detach, report_failure
from credward.daemon.notify import Notifier
code, parent = detach()
if code is not None:
    sys.exit(code)
open(sys.argv[2], "w").write(str(os.getpid()))
match sys.argv[1]:
    case "ready":
        Notifier(None, parent).ready("up")
        time.sleep(600)
    case "fail":
        report_failure(parent, 73, "already running at /run/x.sock")
    case "die":
        os._exit(1)
"""


def start(manner: str, pid_file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, manner, str(pid_file)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={"PYTHONPATH": str(SOURCE), "PATH": "/usr/bin:/bin"},
    )


def test_returns_when_ready_while_the_child_lives_on(tmp_path: Path) -> None:
    """Exit 0 at readiness; a client that waits for the end of our stdout and stderr is not held up."""
    started = time.monotonic()
    done = start("ready", tmp_path / "pid")

    pid = int((tmp_path / "pid").read_text())
    try:
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        # subprocess.run waits for the end of both pipes: the child would have held them for 600 s.
        assert time.monotonic() - started < PATIENCE
        assert os.getsid(pid) not in {os.getsid(0), pid}
        assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)} == {"/dev/null"}
    finally:
        os.kill(pid, signal.SIGKILL)


def test_tells_why_there_is_no_daemon(tmp_path: Path) -> None:
    """The child's exit code and its one line are the parent's."""
    done = start("fail", tmp_path / "pid")

    assert done.returncode == 73
    assert done.stderr == "credward: already running at /run/x.sock\n"


def test_a_child_that_dies_silently_is_an_internal_error(tmp_path: Path) -> None:
    """No byte on the pipe: the line says how to see why."""
    done = start("die", tmp_path / "pid")

    assert done.returncode == 70
    assert "run credward serve" in done.stderr
