"""Which hosts a token is for, as far as the settings of its credential name them.

A `base_url` that is written down counts in their place; holding a caller to it is
`policy.base_url`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec

__all__ = ["NamesHosts", "implied_base_urls"]


@runtime_checkable
class NamesHosts(Protocol):
    """Settings that name the one service that their token is for."""

    @property
    def implied_base_urls(self) -> tuple[str, ...]:
        """The base URLs of that service, the usual one first; none where it is not named."""
        ...


def implied_base_urls(settings: msgspec.Struct) -> tuple[str, ...]:
    """Return the base URLs that *settings* imply; none: they do not say who the token is for."""
    return settings.implied_base_urls if isinstance(settings, NamesHosts) else ()
