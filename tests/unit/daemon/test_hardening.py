"""A hardened process cannot be looked into by others of its user."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from waiting import PATIENCE

SOURCE = Path(__file__).parents[3] / "broker"
HARDEN = """
import resource, sys
from credward.daemon.hardening import harden_process, hardening_report
harden_process(no_new_privs=True)
print(hardening_report(), resource.getrlimit(resource.RLIMIT_CORE), flush=True)
sys.stdin.readline()
"""
# The same user without any privilege, which is what a laptop's user is.
PLAIN = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []


@pytest.fixture
def hardened() -> subprocess.Popen[str]:
    if PLAIN and shutil.which("setpriv") is None:
        pytest.skip("setpriv is needed to drop root's privileges")
    child = subprocess.Popen(
        [*PLAIN, sys.executable, "-c", HARDEN],
        env={"PYTHONPATH": str(SOURCE), "CANARY": "canary-in-environment"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield child
    child.communicate("\n", timeout=PATIENCE)


def read(pid: int, name: str) -> subprocess.CompletedProcess[bytes]:
    command = ["head", "-c", "1", f"/proc/{pid}/{name}"]
    return subprocess.run([*PLAIN, *command], capture_output=True, timeout=PATIENCE)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_h1_memory_and_environment_are_closed_and_no_core_is_written(
    hardened: subprocess.Popen[str],
) -> None:
    """H1: RLIMIT_CORE 0 and PR_SET_DUMPABLE 0 hold against a process of the same user."""
    assert hardened.stdout is not None
    assert hardened.stdout.readline() == "full (0, 0)\n"

    assert read(os.getpid(), "environ").returncode in {0, 1}
    for name in ("environ", "mem", "maps"):
        seen = read(hardened.pid, name)
        assert (seen.returncode, seen.stdout) == (1, b""), name
        assert b"Permission denied" in seen.stderr
    status = Path(f"/proc/{hardened.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status


def test_h2_exec_undoes_it_and_the_report_says_so(tmp_path: Path) -> None:
    """H2: after exec the process is dumpable again, so whoever execs must harden again."""
    program = "import sys; from credward.daemon.hardening import *; print(hardening_report())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(SOURCE)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    assert done.stdout.startswith("degraded (")
