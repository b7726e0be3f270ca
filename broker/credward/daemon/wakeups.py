"""Wake the lifecycle when a deadline comes, when the machine resumes, when the clock is set.

On Linux two timerfd(2): one on the clock that goes on during suspend, one that is cancelled when
the wall clock jumps. Elsewhere a tick. What is to be done then is for whoever is called.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import logging
import math
import os
import sys
from collections.abc import Callable

__all__ = ["TickWakeups", "TimerWakeups", "open_wakeups"]

# From linux/time.h and linux/timerfd.h; TFD_NONBLOCK and TFD_CLOEXEC are O_NONBLOCK and O_CLOEXEC.
_CLOCK_REALTIME = 0
_CLOCK_BOOTTIME = 7
_TFD_TIMER_ABSTIME = 1
_TFD_TIMER_CANCEL_ON_SET = 2
# Where nothing tells of a resume or of a step, the clock is looked at this often (seconds).
_TICK = 30.0
# The cancelled timer is not to fire by itself: Unix seconds, in the year 2242. Times further off
# than the kernel can hold (2^63 ns) would be cut by it, or refused.
_NEVER = 2.0**33
# A deadline of zero would disarm; one in the past fires at once (seconds).
_SOON = 1e-6

_log = logging.getLogger(__name__)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class TickWakeups:
    """Calls back at the deadline, and every 30 s: a step or a resume is noticed that late."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._wake: Callable[[], None] = _nothing

    def watch(self, wake: Callable[[], None]) -> None:
        """Call *wake* from now on."""
        self._wake = wake

    def set(self, seconds: float) -> None:
        """Call back in *seconds* (infinite: no deadline), not as before."""
        self.close()
        self._timer = self._loop.call_later(min(max(seconds, 0.0), _TICK), self._ring)

    def close(self) -> None:
        """Do not call any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self.set(_TICK)
        self._wake()


class TimerWakeups:
    """Calls back at the deadline, on resume and when the wall clock was set; else never.

    Raises `OSError` where the system has no such timers (seccomp, another kernel below).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._wake: Callable[[], None] = _nothing
        self._descriptors: list[int] = []
        try:
            self._deadline = self._open(_CLOCK_BOOTTIME)
            self._step = self._open(_CLOCK_REALTIME)
            self._watch_for_steps()
        except (OSError, AttributeError):
            self.close()
            raise
        loop.add_reader(self._deadline, self._rang)
        loop.add_reader(self._step, self._stepped)

    def watch(self, wake: Callable[[], None]) -> None:
        """Call *wake* from now on."""
        self._wake = wake

    def set(self, seconds: float) -> None:
        """Call back in *seconds* by the boot-time clock (infinite: no deadline), not as before."""
        if math.isinf(seconds):
            self._arm(self._deadline, 0, 0.0)
        else:
            self._arm(self._deadline, 0, min(max(seconds, _SOON), _NEVER))

    def close(self) -> None:
        """Do not call any more."""
        for descriptor in self._descriptors:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
        self._descriptors.clear()

    def _open(self, clock: int) -> int:
        descriptor: int = self._libc.timerfd_create(clock, os.O_NONBLOCK | os.O_CLOEXEC)
        if descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._descriptors.append(descriptor)
        return descriptor

    def _arm(self, descriptor: int, flags: int, seconds: float) -> None:
        part, whole = math.modf(seconds)
        value = _Itimerspec(value=_Timespec(int(whole), int(part * 1e9)))
        if self._libc.timerfd_settime(descriptor, flags, ctypes.byref(value), None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _watch_for_steps(self) -> None:
        try:
            self._arm(self._step, _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET, _NEVER)
        except OSError as error:
            # The clock was set since it was armed last. It is armed again all the same, and who
            # arms it looks at the clock next (timerfd_settime(2); seen on Linux 6.18).
            if error.errno != errno.ECANCELED:
                raise

    def _rang(self) -> None:
        # Set anew between the kernel's word and ours, it has nothing to read.
        with contextlib.suppress(BlockingIOError):
            os.read(self._deadline, 8)
        self._wake()

    def _stepped(self) -> None:
        try:
            os.read(self._step, 8)
        except BlockingIOError:
            return
        except OSError as error:
            # ECANCELED, the only one that timerfd_create(2) names: the clock was set, or we slept.
            _log.info("the wall clock was set, or the machine slept: %s", error.strerror)
        self._watch_for_steps()
        self._wake()


def open_wakeups(loop: asyncio.AbstractEventLoop) -> TickWakeups | TimerWakeups:
    """Return what this system has: timers that know of steps and suspends, or a tick."""
    # Where a long has 32 bits, it depends on the C library how a time is laid out.
    if sys.platform == "linux" and ctypes.sizeof(ctypes.c_long) == 8:
        try:
            return TimerWakeups(loop)
        except (OSError, AttributeError) as error:
            _log.info("no timerfd (%s): looking at the clock every %.0f s", error, _TICK)
    return TickWakeups(loop)


def _nothing() -> None:
    """Stand for the callback until there is one."""
