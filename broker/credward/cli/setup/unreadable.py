"""The error of an editor whose text is not in its format: the argument says why."""

from __future__ import annotations

__all__ = ["UnreadableError"]


class UnreadableError(ValueError):
    """The text cannot be edited; the argument says why, without a subject."""
