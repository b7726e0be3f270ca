"""Programs with an environment that is known to be theirs by now."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["running"]


@contextlib.contextmanager
def running(cwd: Path | None = None, **environment: str) -> Iterator[int]:
    """Give the pid of a program that has this environment by now, in the folder *cwd*.

    Popen returns as soon as the kernel accepts the program, before it has its environment.
    """
    with subprocess.Popen(
        ["sh", "-c", "echo begun; read end"],
        env={"PATH": os.defpath, **environment},
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == b"begun\n"
        yield child.pid
        child.stdin.close()
