"""Looks into the memory of another process: for a secret, as its user with the right to trace could, and how much it is."""

from __future__ import annotations

from pathlib import Path

__all__ = ["count_in_memory", "private_kib"]


def count_in_memory(pid: int, needle: bytes) -> int:
    """Count *needle* in the writable memory of a process; raise `PermissionError` where it is hidden."""
    found = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, mode, *_ = line.split()
            if not mode.startswith("rw"):
                continue
            start, end = (int(each, 16) for each in span.split("-"))
            try:
                memory.seek(start)
                found += memory.read(end - start).count(needle)
            except OSError:
                continue
    return found


def private_kib(pid: int) -> int:
    """Return the memory that a process shares with no other, in KiB (proc(5), smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
