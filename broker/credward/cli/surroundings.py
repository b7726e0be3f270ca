"""The settings files around the working directory, found by a child that we do not wait for.

A file system that does not answer may block a process so that no signal ends it, not even SIGKILL
(FUSE, once its server has read the request), and a harness waits for us. `settings_files` does the
search.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import NoReturn

from credward.cli.settings_files import find_settings
from credward.clock import SystemClock
from credward.errors import BrokerError, Kind
from credward.folder import encode

__all__ = ["folder_body"]

# How much longer the child lives than we wait for it (seconds).
_GRACE = 1.0


def folder_body(timeout: float) -> bytes:
    """Return the body of a request from the working directory, empty if nothing is found.

    *timeout*: of the whole request (seconds); half of it is for the search. Raise `timed-out` if a
    file system does not answer, and `internal` if the search failed.
    """
    ours, its = os.pipe()
    child = os.fork()
    if child == 0:
        _look_and_tell(its, timeout / 2 + _GRACE)
    os.close(its)
    try:
        told = _hear(ours, timeout / 2)
    finally:
        os.close(ours)
    if not told.endswith(b"\0"):
        raise BrokerError(
            Kind.INTERNAL, "checking .claude/settings.json in this folder failed: try again"
        )
    # It has sent all. If SIGCHLD is ignored we cannot see how it ended.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
    return told[:-1]


def _look_and_tell(pipe: int, lifetime: float) -> NoReturn:
    """In the child: keep only the pipe, so that readers of our output do not wait for it."""
    try:
        os.dup2(pipe, 0)
        os.closerange(1, os.sysconf("SC_OPEN_MAX"))
        # It ends when the kernel allows it; a harness may have ignored or blocked the alarm.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        signal.setitimer(signal.ITIMER_REAL, lifetime)
        # The NUL after the body means that it is complete.
        told = _look() + b"\0"
        while told:
            told = told[os.write(0, told) :]
    finally:
        os._exit(0)


def _look() -> bytes:
    try:
        start = os.getcwd()  # noqa: PTH109 - any bytes are a name
    except FileNotFoundError:
        return b""
    except OSError:
        start = ""
    # Too long for us, maybe not for the agent; or not below our root.
    return find_settings(start) if start.startswith("/") else encode("unreadable", ".")


def _hear(pipe: int, patience: float) -> bytes:
    clock = SystemClock()
    end = clock.elapsed() + patience
    watched = select.poll()
    watched.register(pipe, select.POLLIN)
    told = b""
    while watched.poll(max(0.0, end - clock.elapsed()) * 1000):
        piece = os.read(pipe, 65_536)
        told += piece
        if not piece:
            return told
    raise BrokerError(
        Kind.TIMED_OUT,
        "the file system of this folder did not answer in time, so its .claude/settings.json is "
        "unknown: run this in another folder",
    )
