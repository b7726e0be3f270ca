"""Which providers there are and what each may be told, without loading one.

The files of this folder are the list; finding the provider itself is `providers.registry`, in a
worker.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import msgspec

from credward import settings

__all__ = ["SETTINGS"]


def _discover() -> Iterator[tuple[str, type[msgspec.Struct]]]:
    for module_info in pkgutil.iter_modules(settings.__path__):
        if module_info.name == "registry":
            # This very module, half loaded at this point.
            continue
        module = importlib.import_module(f"{settings.__name__}.{module_info.name}")
        if (found := getattr(module, "Settings", None)) is not None:
            yield module_info.name, found


SETTINGS: Mapping[str, type[msgspec.Struct]] = MappingProxyType(dict(_discover()))
