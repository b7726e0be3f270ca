"""The attested peer as a value: only what the kernel says, None if it cannot be established.

`linux.py` and `macos.py` read the facts; `policy` decides what they permit.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

__all__ = ["Ancestor", "Caller", "Executable", "Handle", "Process"]

Handle = Literal["peerpidfd", "pidfd_open", "socket_inode", "self"]


class Executable(msgspec.Struct, frozen=True, kw_only=True):
    """A program file that was proved to be the one at *path* in the daemon's mount namespace."""

    path: str


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process; *start_time* tells it from another one that had the same pid.

    On Linux these are clock ticks since boot (proc_pid_stat(5), field 22), on macOS a number that
    the kernel gives only once (`p_uniqueid`).
    """

    pid: int
    start_time: int
    name: str


class Ancestor(NamedTuple):
    """A process above another one; *start_time* as in `Process`."""

    pid: int
    start_time: int


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking. `None` means "could not be established", never "does not exist".

    *agent* is a harness that asks by itself, else the nearest ancestor that is not a shell (for a
    helper under `claude -> sh -> helper`: claude). *name* is the process's own name, which proves
    nothing. *harness* is the name of the nearest agent harness among the process and its ancestors,
    None when there is none; *ancestry_complete* is False when the walk was cut short; then a
    harness cannot be ruled out. *relay* is the name of a program that passes on requests of others
    (`ssh`, `socat`), *attestable* whether this system can attest a program at all. *ancestors* are
    those that were seen, the parent first. *door* names the endpoint it came through (None: the
    daemon's own socket; `file`: the daemon itself asks for a file), *limited_to* the credentials
    that it may ask for there, None: policy alone decides. *session* is the agent run it belongs to.
    """

    uid: int
    gid: int | None
    pid: int | None
    start_time: int | None = None
    name: str | None = None
    handle: Handle | None = None
    executable: Executable | None = None
    agent: Process | None = None
    harness: str | None = None
    relay: str | None = None
    ancestry_complete: bool = False
    attestable: bool = True
    ancestors: tuple[Ancestor, ...] = ()
    door: str | None = None
    limited_to: tuple[str, ...] | None = None
    session: str | None = None

    @property
    def is_daemon(self) -> bool:
        """Whether the daemon asks itself, for its owner."""
        return self.handle == "self"

    @property
    def attested(self) -> bool:
        """Whether the process itself (not only its uid) was established."""
        return self.handle is not None and self.executable is not None
