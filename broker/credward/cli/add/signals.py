"""Signals while a change is tried: a terminal that closes takes it back as Ctrl-C does."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

__all__ = ["Reversible", "undisturbed", "unwinding"]

_ENDS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def unwinding() -> Iterator[None]:
    """Raise `KeyboardInterrupt` for the signals that would end the process, unless ignored."""
    changed = [each for each in _ENDS if signal.getsignal(each) is signal.SIG_DFL]
    for each in changed:
        signal.signal(each, signal.default_int_handler)
    try:
        yield
    finally:
        for each in changed:
            signal.signal(each, signal.SIG_DFL)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore these signals and Ctrl-C: half of what is taken back would be worse than either."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGINT, *_ENDS)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class Reversible(ABC):
    """Something that was done; left by an exception, it is taken back."""

    @abstractmethod
    def take_back(self) -> None:
        """Restore what was there before."""

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
