"""How well callers can be attested: `full`, or `degraded` with the reason, for status and doctor.

The answer is for one caller: what this daemon can see of that caller and of the users it serves.
What is seen of one request is up to `linux_peer` and `macos`.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Collection
from pathlib import Path

from credward.callers import linux
from credward.callers.caller import Caller
from credward.callers.mounts import MountTable

__all__ = ["attestation_report"]

# linux/capability.h: may look at processes of other users.
_CAP_SYS_PTRACE = 19


def attestation_report(caller: Caller, *, own_uid: int, served_uids: Collection[int]) -> str:
    """Return `full`, or `degraded (why)`.

    *own_uid* is the daemon's, *served_uids* are those of `[listen] allow_uids`.
    """
    if not caller.attestable:
        return "degraded (this system attests no program: rules that name a program permit nobody)"
    reasons = [*_of_this_machine(), *_of_users({caller.uid, *served_uids} - {own_uid})]
    if not reasons and caller.executable is None:
        reasons.append(
            "the program that asked for this cannot be seen: it runs under another group, in "
            "a container, or it is not the program that connected"
        )
    return f"degraded ({'; '.join(reasons)})" if reasons else "full"


def _of_this_machine() -> list[str]:
    reasons = []
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        handle = linux.peer_handle(left)
    if handle is None:
        reasons.append("kernel older than 6.5: process handles are opened by number")
    else:
        os.close(handle)
    if linux.read_stat(os.getppid()) is None and os.getppid() != 0:
        reasons.append("other processes are hidden in /proc")
    mounts = MountTable()
    if linux.executable("self", mounts) is None:
        reasons.append("no program can be proved to lie at its path, not even this daemon's own")
    mounts.close()
    return reasons


def _of_users(others: Collection[int]) -> list[str]:
    if not others or _may_look_at_others():
        return []
    names = ", ".join(map(str, sorted(others)))
    return [
        f"the programs of uid {names} cannot be read, and no rule that names a program permits them"
    ]


def _may_look_at_others() -> bool:
    """Return whether this process has CAP_SYS_PTRACE in effect (proc_pid_status(5), CapEff)."""
    if sys.platform != "linux":
        return False
    try:
        text = Path("/proc/self/status").read_text("ascii", "replace")
    except OSError:
        return False
    _, _, after = text.partition("CapEff:")
    return bool(int(after.split(None, 1)[0], 16) >> _CAP_SYS_PTRACE & 1)
