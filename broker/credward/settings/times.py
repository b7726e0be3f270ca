"""What the settings of a provider say of times: how long a mint may take, how long a token lasts.

In seconds. When a token is refreshed is `lifecycle.schedule`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec

__all__ = ["HasDuration", "HasLifetime", "HasTimeout", "lifetime", "time_limit"]


@runtime_checkable
class HasTimeout(Protocol):
    """Settings that say how long a mint may take."""

    @property
    def timeout(self) -> float:
        """The limit of their provider's own."""
        ...


@runtime_checkable
class HasLifetime(Protocol):
    """Settings that may say how long a token lasts, as ours and Google's do."""

    @property
    def lifetime(self) -> float | None:
        """How long; None where only a mint will tell."""
        ...


@runtime_checkable
class HasDuration(Protocol):
    """Settings that may say the same in the words of AWS."""

    @property
    def duration_seconds(self) -> float | None:
        """How long; None where only a mint will tell."""
        ...


def time_limit(settings: msgspec.Struct) -> float | None:
    """Return how long a mint may take, None where the settings do not say."""
    return settings.timeout if isinstance(settings, HasTimeout) else None


def lifetime(settings: msgspec.Struct) -> float | None:
    """Return how long a token lasts, None where the settings do not say."""
    if isinstance(settings, HasLifetime):
        return settings.lifetime
    return settings.duration_seconds if isinstance(settings, HasDuration) else None
