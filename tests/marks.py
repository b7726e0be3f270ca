"""Parameters of tests that `make test` leaves out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

__all__ = ["quick", "slow"]


def slow(*values: Any) -> list[Any]:
    """Return the values of one parameter, marked as slow."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


def quick(*chosen: Any, among: Iterable[Any]) -> list[Any]:
    """Return all values of a parameter, of which only the *chosen* ones are not slow."""
    return [value if value in chosen else slow(value)[0] for value in among]
