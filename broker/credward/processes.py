"""Hold a process, and kill one with all its descendants, even those in another session or group.

Knows only process ids; `workers` and `providers.io` decide what to kill and when.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "ProcessId",
    "boot_id",
    "descendants",
    "hold",
    "kill_below",
    "kill_session",
    "kill_tree",
]

# A tree that still grows after so many sweeps is faster than we are; the rest is not worth an
# endless loop.
_SWEEPS = 100
_PROC = Path("/proc")


class ProcessId(NamedTuple):
    """A process, safe against a reused pid (*start_time* in clock ticks)."""

    pid: int
    start_time: int


def boot_id() -> str:
    """Return the name of this start of the system (random(4)); start times are counted from it.

    Empty if it is unknown.
    """
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def hold(process: ProcessId) -> int | None:
    """Return a handle of *process* (pidfd_open(2)), readable when it has ended; None if it has."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return None
    # Check after the handle was opened: from now on no other process can get the pid.
    if _identify(process.pid) == process:
        return handle
    os.close(handle)
    return None


def descendants(root: int, *, spare: Collection[ProcessId] = ()) -> frozenset[ProcessId]:
    """Return the live processes below *root*, except those in *spare* and below them.

    Zombies do not count. Empty without /proc.
    """
    found: set[ProcessId] = set()
    todo = [root]
    while todo:
        for pid in _children(todo.pop()):
            process = _identify(pid)
            if process is not None and process not in spare:
                found.add(process)
                todo.append(pid)
    return frozenset(found)


def kill_below(root: int, *, spare: Collection[ProcessId] = ()) -> None:
    """Kill every process below *root* except those in *spare* and below them.

    Complete only while *root* is a child subreaper, which gets all orphans: then a process that
    daemonised itself is still below it.
    """
    for _ in range(_SWEEPS):
        doomed = descendants(root, spare=spare)
        if not doomed:
            return
        for process in doomed:
            _kill(process)


def kill_session(session: int) -> None:
    """Kill the rest of a session whose leader died by itself, without killing its children."""
    for entry in _list(_PROC):
        fields = _stat(int(entry.name)) if entry.name.isdigit() else None
        if fields is not None and int(fields[3]) == session and fields[0] not in "ZX":
            _kill(ProcessId(int(entry.name), int(fields[19])))


def kill_tree(root: int, *, programs: bool) -> None:
    """Kill *root*, a child of ours and leader of its process group, with its group.

    *programs*: it starts programs, so its descendants are killed first. It is stopped meanwhile, so
    that it cannot start more; and killed last, because it gets orphans only while it lives. As our
    child it stays a zombie until we reap it, so pid and group cannot be reused.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if programs and sys.platform == "linux":
            os.kill(root, signal.SIGSTOP)
            kill_below(root)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(root, signal.SIGKILL)
    # Also alone: if it is killed before it called setsid, it has no own group.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(root, signal.SIGKILL)


def _children(pid: int) -> Iterator[int]:
    for task in _list(_PROC / str(pid) / "task"):
        with contextlib.suppress(OSError):
            yield from map(int, (task / "children").read_text("ascii").split())


def _list(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _identify(pid: int) -> ProcessId | None:
    """Return the process unless it is gone or a zombie."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else ProcessId(pid, int(fields[19]))


def _stat(pid: int) -> list[str] | None:
    """Return the fields of proc(5) from the state on, which come after the free-text name."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _kill(process: ProcessId) -> None:
    handle = hold(process)
    if handle is None:
        return
    try:
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    finally:
        os.close(handle)
