"""Guesses which existing name was meant by a wrong one, for all error messages."""

from __future__ import annotations

import difflib
from collections.abc import Collection

__all__ = ["guess"]

# How many names to show if none is near (people must read the line to its end).
_FEW = 6


def guess(name: str, known: Collection[str], *, listed: bool = False) -> str:
    """Return the end of an error about *name*: the nearest of the *known* names, or nothing.

    *listed*: if none is near, show all if they are few; not for names that are private.
    """
    if near := difflib.get_close_matches(name, known, n=1):
        return f', perhaps "{near[0]}"'
    if listed and 0 < len(known) <= _FEW:
        return f": one of {', '.join(sorted(known))}"
    return ""
