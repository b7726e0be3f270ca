"""A daemon that the kernel kills at a chosen call to it: `crashing_serve.py FILE serve …`.

FILE holds a number: from then on the calls that touch the disk are counted, and the daemon dies by
kill -9 just before that one. Without the file it is an ordinary daemon.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

CALLS = (
    "open", "unlink", "fchmod", "write", "pwrite", "fsync", "close", "link", "rename", "posix_fallocate",
)  # fmt: skip

_armed = Path(sys.argv.pop(1))
_left: list[int] = []


def _counted(original: Callable[..., object]) -> Callable[..., object]:
    def call(*arguments: object, **named: object) -> object:
        if not _left and _armed.exists():
            _left.append(int(_armed.read_text()))
        if _left:
            _left[0] -= 1
            if _left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    return call


for name in CALLS:
    setattr(os, name, _counted(getattr(os, name)))

from credward.cli.main import main  # noqa: E402 - the calls come first

main()
