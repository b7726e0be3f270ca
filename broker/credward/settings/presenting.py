"""To whom the secrets of a credential are shown: the server and the client that its settings name.

A stored secret is bound to them (`issuing.secret_binding`), as a grant is (`grants`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import msgspec

__all__ = ["PresentsOnce", "PresentsSecrets", "presented_to", "presents_once"]


@runtime_checkable
class PresentsSecrets(Protocol):
    """Settings that say where the secrets which they refer to are sent."""

    @property
    def presenting(self) -> tuple[str, ...]:
        """The names of the settings that say so; none where a secret is only handed out."""
        ...


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


def presented_to(settings: msgspec.Struct) -> Mapping[str, Any]:
    """Return server and client as plain words; all settings, where they do not say which count."""
    words: dict[str, Any] = msgspec.to_builtins(settings)
    if isinstance(settings, PresentsSecrets):
        return {name: words[name] for name in settings.presenting}
    return words
