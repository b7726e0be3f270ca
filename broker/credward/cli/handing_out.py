"""Print only the credential, before a deadline.

It comes from `Client.get_token`, which has checked its format.
"""

from __future__ import annotations

import os
import select
import signal
from types import FrameType

from credward.errors import BrokerError, Kind

__all__ = ["check_output", "hand_out"]

_OUTPUT = 1
# Repeat it: the first alarm may come just before the call that it should interrupt.
_AGAIN = 0.05


def check_output(stdout: object) -> None:
    """Refuse a closed standard output before anything is opened: a file could get its number."""
    if stdout is None:
        raise _unwritable()


def hand_out(body: bytes, seconds: float) -> None:
    """Write *body* to standard output within *seconds*; raise `timed-out` if nobody reads it.

    Other processes share the descriptor, so we must not make it non-blocking; an alarm interrupts.
    """
    signal.signal(signal.SIGALRM, _interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), _AGAIN)
    left = memoryview(body)
    try:
        while left:
            try:
                left = left[os.write(_OUTPUT, left) :]
            except BlockingIOError:
                select.select((), (_OUTPUT,), ())
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _unwritable() from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise BrokerError(Kind.TIMED_OUT, "writing to standard output timed out: check who reads it")


def _unwritable() -> BrokerError:
    return BrokerError(Kind.INTERNAL, "standard output cannot be written: check who reads it")
