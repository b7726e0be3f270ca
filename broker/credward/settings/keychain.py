"""What a worker that reads the operating system's keychain is told.

No credential names this as its provider: the daemon asks for its store's key, and for items that
settings refer to. Reading is the job of `store.keychain`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["Settings"]

_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One item. *create*: make it, with a random key for its text, where there is none."""

    service: _Word
    account: _Word
    create: bool = False
