"""Whether what a mint presents counts once, so that the next one must be told of it.

What counts once and was used up is remembered by `grants.replay_cache`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec

__all__ = ["PresentsOnce", "presents_once"]


@runtime_checkable
class PresentsOnce(Protocol):
    """Settings that say whether what they present is good for one time only."""

    @property
    def presents_once(self) -> bool:
        """Whether it may be used up; then a mint has to be told of what was."""
        ...


def presents_once(settings: msgspec.Struct) -> bool:
    """Return whether a mint has to be told of what was used up."""
    return isinstance(settings, PresentsOnce) and settings.presents_once
