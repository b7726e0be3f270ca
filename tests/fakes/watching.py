"""Looks at processes from outside, as the kernel shows them."""

from __future__ import annotations

from pathlib import Path


def gone(pid: int) -> bool:
    """Tell whether a process is dead; a zombie that its parent has yet to bury is."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def pids_in(path: Path) -> list[int]:
    """Return the process ids that programs wrote into a file, one on a line."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []
