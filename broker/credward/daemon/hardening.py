"""Make this process hard to look into: no core files, no ptrace, no readable memory for others.

Called first, and again after anything that undoes it (exec). THREAT_MODEL.md says what a process of
the same user can still do.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

from credward.memory import overwrite_when_freed

__all__ = ["harden_process", "hardening_report"]

# From linux/prctl.h.
_PR_SET_DUMPABLE = 4
_PR_GET_DUMPABLE = 3
_PR_SET_NO_NEW_PRIVS = 38
# From sys/ptrace.h of macOS.
_PT_DENY_ATTACH = 31
# Two descriptors per connection: the usual soft limit (1024) is too low for many agents.
_DESCRIPTORS = 8192


def harden_process(*, no_new_privs: bool) -> None:
    """Turn off core files and attaching; skip steps that the system does not know.

    Everything started later inherits *no_new_privs*, so the daemon itself does not set it: its
    `command` workers may run programs that need more.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft < wanted and soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    os.umask(0o077)
    overwrite_when_freed()
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux":
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        if no_new_privs:
            libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    elif sys.platform == "darwin":
        libc.ptrace(_PT_DENY_ATTACH, 0, 0, 0)


def hardening_report() -> str:
    """Return `full`, or what did not take effect."""
    missing = []
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:
        missing.append("core files are possible")
    if sys.platform == "linux":
        if ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) != 0:
            missing.append("memory is readable by this user")
    else:
        missing.append("attaching is not checked on this system")
    return "full" if not missing else f"degraded ({', '.join(missing)})"
