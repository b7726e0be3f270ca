"""What somebody meant who wrote a name that there is not: one guess for all who complain of it."""

from __future__ import annotations

import difflib
from collections.abc import Collection

__all__ = ["guess"]

# So many are shown where none is near (a line that people read to its end).
_FEW = 6


def guess(name: str, known: Collection[str], *, listed: bool = False) -> str:
    """Return how a complaint of *name* goes on: the nearest of the *known* names, or nothing.

    *listed*: where none is near, all of them if they are few; not for what is nobody's business.
    """
    if near := difflib.get_close_matches(name, known, n=1):
        return f', perhaps "{near[0]}"'
    if listed and 0 < len(known) <= _FEW:
        return f": one of {', '.join(sorted(known))}"
    return ""
