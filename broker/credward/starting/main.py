"""`credward start` as helpers run it: prints the socket that answers, else one line.

Fifty helpers may run it at once, so it imports as little as it can; `cli.start` is the same command
for people.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from credward.account import find_account
from credward.clock import Clock, SystemClock
from credward.errors import BrokerError
from credward.paths import environment
from credward.starting.start import start_daemon

__all__ = ["main"]

# Nothing goes by these (helpers/start.c); they only explain why nothing is configured.
_TOLD = {"HOME": "CREDWARD_CALLER_HOME", "CREDWARD_CONFIG": "CREDWARD_CALLER_CONFIG"}


def main() -> int:
    """Start the daemon of this account if it is not running; return the exit code."""
    clock = SystemClock()
    try:
        path = start_daemon(find_account(), clock, began=_birth(clock), caller=_caller())
    except BrokerError as error:
        sys.stderr.write(f"credward: {error.message}\n")
        return error.kind.exit_code
    sys.stdout.write(f"{path}\n")
    return 0


def _caller() -> Mapping[str, str]:
    """Return the caller's environment; a helper passes some of it on under other names."""
    environ = environment()
    told = {name: environ[told_as] for name, told_as in _TOLD.items() if told_as in environ}
    return {**environ, **told}


def _birth(clock: Clock) -> float:
    """Return when this process started, by the clock's `elapsed`: its caller waits since then."""
    try:
        with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - quicker than pathlib
            # proc(5): field 22, after the name in parentheses; in ticks since boot, rounded down.
            ticks = int(file.read().rpartition(b")")[2].split()[19])
    except OSError:
        return clock.elapsed()
    return (ticks + 1) / os.sysconf("SC_CLK_TCK")
