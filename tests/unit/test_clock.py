"""The machine's clocks."""

import time

from credward.clock import SystemClock


def test_now_is_the_wall_clock() -> None:
    """Unix seconds."""
    before = time.time()

    assert before <= SystemClock().now() <= time.time()


def test_elapsed_only_grows() -> None:
    """Never stepped."""
    clock = SystemClock()
    readings = [clock.elapsed() for _ in range(100)]

    assert readings == sorted(readings)
