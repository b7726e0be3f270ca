"""Guesses which existing name was meant by a wrong one, for all error messages."""

from __future__ import annotations

import difflib
from collections.abc import Collection

__all__ = ["guess", "nearest"]

# How many names to show if none is near (people must read the line to its end).
_FEW = 8


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the name among *known* that was probably meant, None if none is near."""
    return next(iter(difflib.get_close_matches(name, known, n=1)), None)


def guess(name: str, known: Collection[str], *, listed: bool = False) -> str:
    """Return the end of an error about *name*: the nearest of the *known* names, or nothing.

    *listed*: if none is near, show all if they are few; not for names that are private.
    """
    if (near := nearest(name, known)) is not None:
        return f', perhaps "{near}"'
    if listed and 0 < len(known) <= _FEW:
        return f": one of {', '.join(sorted(known))}"
    return ""
