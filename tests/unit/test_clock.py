"""The machine's clocks, as far as a test may rely on them."""

from __future__ import annotations

import time

from credward.clock import SystemClock


def test_now_is_the_wall_clock():
    """Unix seconds, as `exp` in a token counts them."""
    before, now, after = time.time(), SystemClock().now(), time.time()

    assert before <= now <= after


def test_elapsed_goes_forward_and_counts_suspended_time():
    """T14: on Linux the boot-time clock, which goes on while the machine sleeps."""
    clock = SystemClock()
    first = clock.elapsed()

    assert clock.elapsed() >= first
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert abs(time.clock_gettime(time.CLOCK_BOOTTIME) - first) < 5.0
