"""When no daemon may be started: if the caller forbids it, or if it would inherit limits.

A daemon inherits the system call filter, the missing privileges and the user namespace of the
process that starts it, and then serves everybody with them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from credward.errors import BrokerError, Kind
from credward.named_files import read_all
from credward.trust import ids_are_mapped

__all__ = ["check_place", "forbidding_variable", "is_restricted", "start_is_wanted"]

# proc(5), /proc/PID/status: a seccomp filter; and without prctl(2) PR_SET_NO_NEW_PRIVS.
_FILTER = b"\nSeccomp:\t2"
_FREE = b"\nNoNewPrivs:\t0\n"


def start_is_wanted(environ: Mapping[str, str]) -> bool:
    """Return whether the caller's environment allows us to start a daemon."""
    return not environ.get("CREDWARD_SOCKET") and forbidding_variable(environ) is None


def forbidding_variable(environ: Mapping[str, str]) -> str | None:
    """Return the variable that forbids a start, None if none does; CREDWARD_SOCKET is another case.

    A socket that is named may be served by a daemon that somebody else starts.
    """
    if environ.get("CREDWARD_NO_START", "") not in {"", "0"}:
        return "CREDWARD_NO_START"
    return "CREDWARD_URL" if environ.get("CREDWARD_URL") else None


def check_place(environ: Mapping[str, str]) -> None:
    """Raise `not-running` if a daemon must not be started from this process."""
    if is_restricted(environ):
        raise BrokerError(
            Kind.NOT_RUNNING,
            "the daemon is not running and must not be started from inside a sandbox: "
            "run credward daemon start outside of it",
        )


def is_restricted(environ: Mapping[str, str]) -> bool:
    """Return whether this process has limits that a daemon must not inherit, or is in a session."""
    if environ.get("CREDWARD_SESSION"):
        return True
    return sys.platform == "linux" and (_is_limited() or ids_are_mapped())


def _is_limited() -> bool:
    try:
        descriptor = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        # Without /proc we know nothing.
        return True
    try:
        # Read to the end: thousands of groups may come before the limits of a process.
        status = read_all(descriptor)
    finally:
        os.close(descriptor)
    # A kernel before 4.10 does not say whether there is a limit.
    return _FILTER in status or _FREE not in status
