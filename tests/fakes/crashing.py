"""A child process that the kernel kills at a chosen call to it, and a disk that fails there."""

from __future__ import annotations

import errno
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Every call by which a file is made, filled, made durable, renamed or taken away.
CALLS = ("open", "unlink", "fchmod", "write", "fsync", "close", "link", "rename", "mkdir")


def killed_at(step: int, action: Callable[[], object]) -> bool:
    """Run *action* in a forked child that is killed -9 before its call number *step*.

    Return False where it came to its end before that.
    """
    with warnings.catch_warnings():
        # The child does nothing but this one action, and asks no thread for anything.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            with counting(lambda: os.kill(os.getpid(), signal.SIGKILL), step):
                action()
            os._exit(0)
        except BaseException:
            os._exit(1)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the action failed by itself"
    return False


def failing_at(step: int, action: Callable[[], object]) -> bool:
    """Run *action* with no space left on the device at its call number *step*.

    Return False where it came to its end before that.
    """
    reached = False

    def fail() -> None:
        nonlocal reached
        reached = True
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with counting(fail, step):
        action()
    return reached


@contextmanager
def counting(at_step: Callable[[], object], step: int) -> Iterator[None]:
    """Call *at_step* just before the call number *step* (from 0) of those in `CALLS`."""
    count = 0
    originals = {name: getattr(os, name) for name in CALLS}

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            nonlocal count
            count += 1
            if count == step + 1:
                at_step()
            return original(*arguments, **named)

        return call

    for name, original in originals.items():
        setattr(os, name, counted(original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(os, name, original)
