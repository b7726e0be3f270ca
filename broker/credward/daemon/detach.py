"""Leave the caller's terminal, and tell the waiting parent whether the start worked.

The parent returns once the child is ready or has failed; `run` has the rest.
"""

from __future__ import annotations

import os
import sys

__all__ = ["Detached", "detach", "report_failure"]

Detached = int


def detach() -> tuple[int | None, Detached | None]:
    """Fork. Return `(exit code, None)` in the parent, `(None, descriptor)` in the detached child.

    The child writes `+` when it is ready, or an exit code byte and one line when it is not. All
    three standard descriptors of the child are /dev/null: otherwise a client that waits for the end
    of our stderr waits for ever.
    """
    read_end, write_end = os.pipe()
    if os.fork() != 0:
        os.close(write_end)
        return _wait(read_end), None
    os.close(read_end)
    os.setsid()
    # A second fork: a session leader could still get a controlling terminal by opening one.
    if os.fork() != 0:
        os._exit(0)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    return None, write_end


def report_failure(parent: Detached, exit_code: int, line: str) -> None:
    """Tell the waiting parent why there is no daemon."""
    os.write(parent, bytes([exit_code]) + line.encode())
    os.close(parent)


def _wait(read_end: int) -> int:
    with os.fdopen(read_end, "rb") as pipe:
        first = pipe.read(1)
        if first == b"+":
            return 0
        line = pipe.read().decode(errors="replace")
    if not first:
        first, line = bytes([70]), "the daemon died while starting: run credward serve to see why"
    sys.stderr.write(f"credward: {line}\n")
    return first[0]
