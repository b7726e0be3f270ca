"""What the environment and the folder of a caller say, read by a child that we do not wait for.

A file system that does not answer may block a process so that no signal ends it, not even SIGKILL
(FUSE, once its server has read the request), and a harness waits for us. `settings_files` searches
the folder, `policy.client_variables` has the format of the report on the environment.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import NoReturn

from credward.cli.settings_files import find_settings
from credward.clock import SystemClock
from credward.errors import BrokerError, Kind
from credward.folder import encode
from credward.named_files import opened, read_all
from credward.policy.client_variables import CERTIFICATES, told

__all__ = ["folder_body", "report"]

# How much longer the child lives than we wait for it (seconds).
_GRACE = 1.0
# Longer than all certificate authorities of a system together (bytes).
_LONGEST_CERTIFICATES = 1024 * 1024


def report(environ: Mapping[str, str], timeout: float) -> str:
    """Return what *environ* says about where requests go, and through what.

    *timeout*: of the whole request (seconds); half of what is left of it is for each file of
    authorities that is named. Raise `timed-out` if its file system does not answer.
    """
    digests: dict[str, str] = {}
    for name in CERTIFICATES:
        path = environ.get(name)
        if not path or path in digests:
            continue
        digest = _by_child(partial(_digest, path), timeout, f"the file in {name}")
        if digest is None:
            raise BrokerError(
                Kind.TIMED_OUT,
                f"the file system of the file in {name} did not answer in time: name another file",
            )
        digests[path] = digest.decode()
        timeout /= 2
    return told(environ, digests)


def folder_body(timeout: float) -> bytes:
    """Return the body of a request from the working directory, empty if nothing is found.

    *timeout*: of the whole request (seconds); half of it is for the search. Raise `timed-out` if a
    file system does not answer, and `internal` if the search failed.
    """
    body = _by_child(_look, timeout, ".claude/settings.json in this folder")
    if body is None:
        raise BrokerError(
            Kind.TIMED_OUT,
            "the file system of this folder did not answer in time, so its .claude/settings.json "
            "is unknown: run this in another folder",
        )
    return body


def _by_child(look: Callable[[], bytes], timeout: float, what: str) -> bytes | None:
    """Return what *look* returns in a child, None if half of *timeout* is not enough (seconds)."""
    ours, its = os.pipe()
    child = os.fork()
    if child == 0:
        _look_and_tell(look, its, timeout / 2 + _GRACE)
    os.close(its)
    try:
        heard = _hear(ours, timeout / 2)
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


def _look() -> bytes:
    try:
        start = os.getcwd()  # noqa: PTH109 - any bytes are a name
    except FileNotFoundError:
        return b""
    except OSError:
        start = ""
    # Too long for us, maybe not for the agent; or not below our root.
    return find_settings(start) if start.startswith("/") else encode("unreadable", ".")


def _digest(path: str) -> bytes:
    """Return the digest of a file, empty if it cannot be read."""
    try:
        with opened(path) as descriptor:
            content = read_all(descriptor, _LONGEST_CERTIFICATES)
    except OSError:
        return b""
    return hashlib.sha256(content).hexdigest().encode()


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
