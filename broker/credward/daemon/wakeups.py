"""Wake the lifecycle at a deadline, after the machine slept, and after the clock was set.

On Linux with two timerfd(2): one on a clock that runs during suspend, one that is cancelled when
the wall clock jumps. On other systems with a tick. The called code decides what to do.
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
# How often to read the clock if nothing reports a resume or a clock change (seconds).
_TICK = 30.0
# The cancelled timer must not fire by itself: Unix seconds, in the year 2242. The kernel would cut
# or refuse later times (2^63 ns).
_NEVER = 2.0**33
# A deadline of zero would disarm; one in the past fires at once (seconds).
_SOON = 1e-6

_log = logging.getLogger(__name__)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class TickWakeups:
    """Calls back at the deadline, and every 30 s to notice a clock change or a resume."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._wake: Callable[[], None] = _nothing

    def watch(self, wake: Callable[[], None]) -> None:
        """Call *wake* from now on."""
        self._wake = wake

    def set(self, seconds: float) -> None:
        """Call back in *seconds* (infinite: no deadline); replaces the old deadline."""
        self.close()
        self._timer = self._loop.call_later(min(max(seconds, 0.0), _TICK), self._ring)

    def close(self) -> None:
        """Stop calling."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self.set(_TICK)
        self._wake()


class TimerWakeups:
    """Calls back only at the deadline, on resume and when the wall clock was set.

    Raises `OSError` if the system has no such timers (seccomp, another kernel).
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
        """Call back in *seconds* of the boot-time clock (infinite: none), not as before."""
        if math.isinf(seconds):
            self._arm(self._deadline, 0, 0.0)
        else:
            self._arm(self._deadline, 0, min(max(seconds, _SOON), _NEVER))

    def close(self) -> None:
        """Stop calling."""
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
            # The clock was set since it was last armed. It is armed again anyway, and the code that
            # arms it reads the clock next (timerfd_settime(2); seen on Linux 6.18).
            if error.errno != errno.ECANCELED:
                raise

    def _rang(self) -> None:
        # If it was set again in between, there is nothing to read.
        with contextlib.suppress(BlockingIOError):
            os.read(self._deadline, 8)
        self._wake()

    def _stepped(self) -> None:
        try:
            os.read(self._step, 8)
        except BlockingIOError:
            return
        except OSError:
            # ECANCELED, the only error in timerfd_create(2): the clock was set, or we slept.
            _log.info("the wall clock was set, or the machine slept")
        self._watch_for_steps()
        self._wake()


def open_wakeups(loop: asyncio.AbstractEventLoop) -> TickWakeups | TimerWakeups:
    """Return what this system has: timers that notice clock changes and suspends, or a tick."""
    # With a 32-bit long, the layout of a time depends on the C library.
    if sys.platform == "linux" and ctypes.sizeof(ctypes.c_long) == 8:
        try:
            return TimerWakeups(loop)
        except (OSError, AttributeError) as error:
            _log.info("no timerfd (%s): reading the clock every %.0f s", error, _TICK)
    return TickWakeups(loop)


def _nothing() -> None:
    """The callback until there is one."""
