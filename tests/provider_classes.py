"""The class of a provider, found once: to find one, the metadata of all that is installed is read."""

from __future__ import annotations

import functools
from typing import Any

from credward.providers.registry import load_provider

__all__ = ["provider_class"]


@functools.cache
def provider_class(name: str) -> type[Any]:
    """Return what makes a provider of this *name*."""
    return type(load_provider(name))
