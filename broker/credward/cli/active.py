"""Which credential counts in this shell when none is named, and why."""

from __future__ import annotations

from credward.cli.tables import plain
from credward.paths import environment

__all__ = ["active_name", "explain"]

# Chooses for one call; commands and the helper read it.
_VARIABLE = "CREDWARD_CREDENTIAL"


def active_name(chosen: str | None) -> str | None:
    """Return its name; *chosen*: what the daemon would give this caller."""
    return environment().get(_VARIABLE) or chosen


def explain(chosen: str | None, because: str) -> str | None:
    """Return it with the reason, None if one must be named."""
    if name := environment().get(_VARIABLE):
        return f"{plain(name)} ({_VARIABLE} of this shell)"
    return plain(f"{chosen} ({because})") if chosen else None
