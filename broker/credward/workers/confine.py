"""What a worker gives up before it touches a secret.

Each step is best effort, because none exists everywhere; `environment` lists the exceptions of each
provider. `__main__` makes the process unreadable even earlier.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from types import FrameType

from credward.processes import kill_below
from credward.workers.environment import WorkerRules

__all__ = ["confine"]

# Numbers of prctl(2), which Python has no names for.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38


def confine(rules: WorkerRules) -> None:
    """Give up what this worker does not need."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if rules.programs:
        # Not SIGKILL: child processes must end too, see `_leave`.
        signal.signal(signal.SIGTERM, _leave)
    if not rules.dies_with_daemon:
        # Only its own deadline ends an exchange that rotates a grant.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if sys.platform != "linux":
        return
    if rules.dies_with_daemon:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM if rules.programs else signal.SIGKILL)
    if rules.programs:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    else:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Kill child processes, then end by an exception, so that cleanup runs.

    The exception alone is not enough: cleanup does not know a program that is just being started.
    """
    kill_below(os.getpid())
    raise SystemExit
