"""What a worker gives up."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from credward.workers.environment import WorkerRules
from fakes.watching import gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prctl(2)")

_PROGRAM = """
import ctypes, json, os, resource, signal, sys
from credward.workers.confine import confine
from credward.workers.environment import WorkerRules
confine(WorkerRules(**json.loads(sys.argv[1])))
libc = ctypes.CDLL(None)
def ask(option):
    value = ctypes.c_int(-1)
    libc.prctl(option, ctypes.byref(value), 0, 0, 0)
    return value.value
print(json.dumps({
    "death signal": ask(2),
    "subreaper": ask(37),
    "no new privileges": libc.prctl(39, 0, 0, 0, 0),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    # A program that is on its way: nothing in the worker knows it yet.
    "program": os.posix_spawn("/bin/sleep", ["sleep", "600"], {}, file_actions=[(os.POSIX_SPAWN_CLOSE, 1)]) if sys.argv[2:] else None,
    "ignores interrupts": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
}))
sys.stdout.flush()
signal.raise_signal(signal.SIGTERM)
"""


def confined(pytestconfig, *, program=False, **rules):
    """Return what a process under these rules says of itself, and how it ends on SIGTERM."""
    assert WorkerRules(**rules)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps(rules), *(["program"] if program else [])],
        env={"PYTHONPATH": str(pytestconfig.rootpath / "broker")},
        stdout=subprocess.PIPE,
        check=False,
    )
    return json.loads(done.stdout), done.returncode


def test_h1_most_workers_can_gain_nothing_and_die_with_the_daemon(pytestconfig):
    """By SIGKILL: nothing is below them."""
    said, ended = confined(pytestconfig)

    assert said == {
        "death signal": 9,
        "subreaper": 0,
        "no new privileges": 1,
        "core": [0, 0],
        "program": None,
        "ignores interrupts": True,
    }
    assert ended == -15


def test_workers_with_programs_take_them_along(pytestconfig):
    """By an exception that unwinds: exit code 0; also those that are just being started. They may be set-uid."""
    said, ended = confined(pytestconfig, programs=True, program=True)

    assert (said["death signal"], said["subreaper"], said["no new privileges"]) == (15, 1, 0)
    assert said["core"] == [0, 0]
    assert ended == 0
    assert gone(said["program"])


def test_a_worker_may_outlive_the_daemon(pytestconfig):
    """Where an exchange that rotates a grant must not be interrupted."""
    said, _ = confined(pytestconfig, rotates=True)

    assert said["death signal"] == 0
    assert said["no new privileges"] == 1
