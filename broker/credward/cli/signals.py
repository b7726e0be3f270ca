"""Signals while something is changed: they are heeded where we wait, and held back everywhere else.

So each step is done or not begun, and none is between the two when it is taken back. A terminal
that closes (SIGHUP) and a SIGTERM take it back as Ctrl-C does. The command line has one thread.
"""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import NoReturn, Self

__all__ = ["Reversible", "heeded", "held"]

_ENDS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
# What ends the process as long as nobody decided otherwise, such as `nohup`.
_USUAL = (signal.SIG_DFL, signal.default_int_handler)


@contextmanager
def held() -> Iterator[None]:
    """Hold back the signals that end the process; those that came act as usual afterwards.

    Start no program in it outside of `heeded`: it would hold them back too, for ever.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    usual = {each: found for each in _ENDS if (found := signal.getsignal(each)) in _USUAL}
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
        for each in usual:
            signal.signal(each, _stop)
        yield
    except KeyboardInterrupt:
        # It ends already; the second Ctrl-C of a hasty user has nothing left to do.
        while came := signal.sigpending() & _ENDS:
            signal.sigwait(came)
        raise
    finally:
        # Again: an error may have come out of `heeded` before it did that.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
        for each, handler in usual.items():
            signal.signal(each, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def heeded() -> Iterator[None]:
    """Raise `KeyboardInterrupt` for those that came in `held`, and those that come meanwhile."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _stop(_: int, __: FrameType | None) -> NoReturn:
    """End with the first of them: what is taken back because of it is not disturbed by another."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    raise KeyboardInterrupt


class Reversible(ABC):
    """Something that is done in its block; left by an exception, it is taken back.

    It takes note of what it does before it does it; taking back tolerates that it was not done.
    """

    @abstractmethod
    def take_back(self) -> None:
        """Restore what was there before; doing that twice is the same as once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.take_back()
