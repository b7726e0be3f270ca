"""Looks for a secret in the memory of another process, as its user with the right to trace could."""

from __future__ import annotations

__all__ = ["count_in_memory"]


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
