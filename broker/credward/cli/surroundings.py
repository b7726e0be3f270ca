"""What the environment and the folder of a caller say, read by a child that we do not wait for.

A file system that does not answer may block a process so that no signal ends it, not even SIGKILL
(FUSE, once its server has read the request), and a harness waits for us. What is looked at, and
what is said if nothing comes, is `credward.surroundings`.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Mapping
from typing import NoReturn

from credward import surroundings
from credward.clock import SystemClock
from credward.errors import BrokerError, Kind

__all__ = ["folder_body", "report"]

# How much longer the child lives than we wait for it (seconds).
_GRACE = 1.0


def report(environ: Mapping[str, str], timeout: float) -> str:
    """Return the report on *environ*; *timeout*: of the whole request (seconds)."""
    return surroundings.report(environ, timeout, _by_child)


def folder_body(timeout: float) -> bytes:
    """Return the body of a request from the working directory; *timeout*: of the whole request."""
    return surroundings.folder_body(timeout, _by_child)


def _by_child(look: Callable[[], bytes], patience: float, what: str) -> bytes | None:
    """Return what *look* returns in a child, None if *patience* is not enough (seconds)."""
    ours, its = os.pipe()
    child = os.fork()
    if child == 0:
        _look_and_tell(look, its, patience + _GRACE)
    os.close(its)
    try:
        heard = _hear(ours, patience)
    finally:
        os.close(ours)
    if heard is None:
        return None
    if not heard.endswith(b"\0"):
        raise BrokerError(Kind.INTERNAL, f"checking {what} failed: try again")
    # It has sent all. If SIGCHLD is ignored we cannot see how it ended.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
    return heard[:-1]


def _look_and_tell(look: Callable[[], bytes], pipe: int, lifetime: float) -> NoReturn:
    """In the child: keep only the pipe, so that readers of our output do not wait for it."""
    try:
        os.dup2(pipe, 0)
        os.closerange(1, os.sysconf("SC_OPEN_MAX"))
        # It ends when the kernel allows it; a harness may have ignored or blocked the alarm.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        signal.setitimer(signal.ITIMER_REAL, lifetime)
        # The NUL after the body means that it is complete.
        found = look() + b"\0"
        while found:
            found = found[os.write(0, found) :]
    finally:
        os._exit(0)


def _hear(pipe: int, patience: float) -> bytes | None:
    clock = SystemClock()
    end = clock.elapsed() + patience
    watched = select.poll()
    watched.register(pipe, select.POLLIN)
    heard = b""
    while watched.poll(max(0.0, end - clock.elapsed()) * 1000):
        piece = os.read(pipe, 65_536)
        heard += piece
        if not piece:
            return heard
    return None
