"""A separate program: what the helper would report of itself if this process had started it.

Run as `python -I -m credward.cli.client_report PID` by `callers.client_reports`, for a Claude Code
that asks at an endpoint. Its settings count as it reads them: those of its user and of the machine
are part of its environment, those of the folder are passed on raw, as always.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from credward.callers.client_reports import HIDDEN
from credward.cli.setup.claude_code_merged import read_merged
from credward.cli.surroundings import folder_body, report
from credward.errors import BrokerError

__all__ = ["main"]

# Its parent waits five seconds (`callers.looking`).
_TIMEOUT = 4.0
# We read no more of an environment than this (bytes).
_MOST = 1 << 20


def main(pid: int) -> int:
    """Write the report on *pid* to standard output; return the exit code."""
    try:
        environ = _environment_of(pid)
        folder = os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115 - any bytes are a name
        os.chdir(f"/proc/{pid}/cwd")
    except OSError:
        return HIDDEN
    merged = read_merged(environ, Path(folder)).environment(folder=False)
    try:
        said = report(merged, _TIMEOUT).encode() + b"\n" + folder_body(_TIMEOUT)
    except BrokerError:
        return 1
    sys.stdout.buffer.write(said)
    return 0


def _environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process started with (proc_pid_environ(5))."""
    raw = bytearray()
    descriptor = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    try:
        while len(raw) <= _MOST and (part := os.read(descriptor, 1 << 16)):
            raw += part
    finally:
        os.close(descriptor)
    if len(raw) > _MOST:
        raise OSError("it is too long")
    items = (os.fsdecode(each).partition("=") for each in bytes(raw).split(b"\0"))
    return {name: value for name, found, value in items if found}


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
