"""Looks at processes from outside, as the kernel shows them."""

from __future__ import annotations

import sys
from pathlib import Path


def gone(pid: int) -> bool:
    """Tell whether a process is dead; a zombie that its parent has yet to bury is."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def listening(path: Path) -> bool:
    """Tell whether somebody listens at a socket; only looks, because a connection may be an ask."""
    if sys.platform != "linux":
        return path.exists()
    # Num RefCount Protocol Flags Type St Inode Path: between bind and listen it has no flag (proc(5)).
    rows = (line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:])
    return any(row[3] == "00010000" and row[-1] == str(path) for row in rows)


def listening_at(port: int) -> bool:
    """Tell whether somebody listens at a port of 127.0.0.1; Linux only (proc(5))."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(row[1] == f"0100007F:{port:04X}" and row[3] == "0A" for row in rows)


def pids_in(path: Path) -> list[int]:
    """Return the process ids that programs wrote into a file, one on a line."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []
