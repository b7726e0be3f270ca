"""Which settings of a credential a stored secret is bound to: all except format and time.

A setting may decide what is requested with a secret, who sees it and what is made of it. So each
setting counts, unless its file says that it does not (`grants.secret_binding`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from credward.settings.meaning import meaning_of

__all__ = ["bound_settings", "words_of"]


def bound_settings(settings: msgspec.Struct) -> Mapping[str, Any]:
    """Return the settings that count, for JSON; all if none is marked as free."""
    free = meaning_of(settings).free
    return {name: value for name, value in words_of(settings).items() if name not in free}


def words_of(struct: msgspec.Struct) -> dict[str, Any]:
    """Return values that differ from their default, for JSON: later versions may add settings."""
    return {
        field.name: _plain(value)
        for field in msgspec.structs.fields(struct)
        if (value := getattr(struct, field.name)) != _default(field)
    }


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return words_of(value)
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value


def _default(field: msgspec.structs.FieldInfo) -> object:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
