"""A separate program: its exit code says which of some variables a process started with.

Run as `python -I -S mark_probe.py PID NAME...` by `marks`. It is killed when it takes too long, and
knows nothing about the daemon. It neither keeps nor shows values.
"""

from __future__ import annotations

import os
import sys

__all__ = ["FIRST", "HIDDEN", "NONE", "look"]

# Exit codes: none is set; the first name is set, the second, and so on; not all could be read.
NONE, FIRST, HIDDEN = 0, 100, 3
# We read no more than this, and then cannot rule out a mark (bytes).
_MOST = 1 << 20


def look(pid: int, names: list[str]) -> int:
    """Return the exit code for the environment of *pid* (proc_pid_environ(5))."""
    raw = bytearray()
    try:
        descriptor = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
        while len(raw) <= _MOST and (part := os.read(descriptor, 1 << 16)):
            raw += part
    except OSError:
        return HIDDEN
    found = {entry.partition(b"=")[0] for entry in bytes(raw).split(b"\0")}
    indices = (index for index, name in enumerate(names) if name.encode() in found)
    return next((FIRST + index for index in indices), NONE if len(raw) <= _MOST else HIDDEN)


if __name__ == "__main__":
    sys.exit(look(int(sys.argv[1]), sys.argv[2:]))
