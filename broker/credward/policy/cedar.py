"""Imports cedarpy, but delays its module `pst`, which we do not use: a tenth of the daemon's start.

It is imported when somebody uses it.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

__all__ = ["cedarpy"]


def _import_when_used(name: str) -> None:
    """Put a module in the place of *name* that imports it at the first use (PEP 562)."""
    stand_in = ModuleType(name)

    def get(attribute: str) -> object:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    vars(stand_in)["__getattr__"] = get
    sys.modules.setdefault(name, stand_in)


_import_when_used("cedarpy.pst")

import cedarpy  # noqa: E402 - pst is delayed before this
