"""What there is around the working directory, found by a child that nobody has to wait for.

A file system that does not answer may hold whoever asks it beyond any signal, SIGKILL too (FUSE,
once its server has read the question), and a harness waits for us. What is looked for is
`settings_files`.
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

# What the child lives longer than we wait for it (seconds).
_GRACE = 1.0


def folder_body(timeout: float) -> bytes:
    """Return the body of a question from the working directory, empty where nothing is found.

    *timeout*: of the whole question (seconds), of which half is for the look. Raise `timed-out`
    where a file system does not answer, and `internal` where the look failed.
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
            Kind.INTERNAL, "the look at .claude/settings.json in this folder failed: try again"
        )
    # It has told all. Where SIGCHLD is ignored nobody learns how it ended.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
    return told[:-1]


def _look_and_tell(pipe: int, lifetime: float) -> NoReturn:
    """In the child: it keeps the pipe alone, for whoever reads what we print must not wait."""
    try:
        os.dup2(pipe, 0)
        os.closerange(1, os.sysconf("SC_OPEN_MAX"))
        # Where the kernel lets it go, it goes; a harness may have the alarm ignored or blocked.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        signal.setitimer(signal.ITIMER_REAL, lifetime)
        # The NUL behind the body says that it is whole.
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
    # Too long for us, perhaps not for the agent; or not below our root.
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
        "not known: run this in another folder",
    )
