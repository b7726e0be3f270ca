"""How many examples a property is tried with: a few in every run, all of them in `make test-slow`."""

from __future__ import annotations

import os

__all__ = ["examples"]


def examples(number: int) -> int:
    """Return *number* where all are asked for, else a quarter of it.

    Whoever asks for fewer marks the test with `examples`, by which `make test-slow` finds it.
    """
    return number if os.environ.get("CREDWARD_REQUIRE_EXAMPLES") else number // 4
