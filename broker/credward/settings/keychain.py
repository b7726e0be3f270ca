"""The settings of a worker that reads the operating system's keychain.

It is not a provider for credentials: the daemon asks it for its store's key and for items that
settings refer to. `store.keychain` reads.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["Settings"]

_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One item. *create*: make it, with a random key as its text, if there is none."""

    service: _Word
    account: _Word
    create: bool = False
