"""Which providers there are and what each may be told, without loading one.

The files of this folder are the list, plus what plug-ins announce; finding the provider itself is
`providers.registry`, in a worker.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from credward import settings
from credward.errors import BrokerError, Kind

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "OWN_KINDS", "SETTINGS", "settings_of"]

# A package that brings a provider names its settings here, under the provider's name.
GROUP = "credward.settings"
# Kinds of worker that serve the daemon itself: no credential and no plug-in can be one.
OWN_KINDS = frozenset({"keychain"})


def _announced() -> tuple[EntryPoint, ...]:
    """Return what plug-ins announce; loaded late, for it brings a megabyte into the daemon."""
    from importlib.metadata import entry_points  # noqa: PLC0415

    return tuple(entry_points(group=GROUP))


class _Settings(Mapping[str, type[msgspec.Struct]]):
    """Provider name to its settings. Plug-ins are looked for only when a name is not built in."""

    def __init__(self) -> None:
        found = dict(_discover())
        self.of_daemon = {name: found.pop(name) for name in OWN_KINDS}
        self._built_in = found

    def __getitem__(self, name: str) -> type[msgspec.Struct]:
        if name in OWN_KINDS:
            raise KeyError(name)
        return self._built_in.get(name) or _load_plug_in(name)

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        plug_ins = {each.name for each in _announced()}
        yield from sorted(plug_ins - self._built_in.keys() - OWN_KINDS)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _discover() -> Iterator[tuple[str, type[msgspec.Struct]]]:
    for module_info in pkgutil.iter_modules(settings.__path__):
        if module_info.name == "registry":
            # This very module, half loaded at this point.
            continue
        module = importlib.import_module(f"{settings.__name__}.{module_info.name}")
        if (found := getattr(module, "Settings", None)) is not None:
            yield module_info.name, found


def _load_plug_in(name: str) -> type[msgspec.Struct]:
    claims = {each.value: each for each in _announced() if each.name == name}
    if not claims:
        raise KeyError(name)
    if len(claims) > 1:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'provider "{name}" is claimed by {" and ".join(sorted(claims))}: '
            "uninstall one of them",
        )
    (entry_point,) = claims.values()
    try:
        found: type[msgspec.Struct] = entry_point.load()
    except (ImportError, AttributeError) as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'settings of provider "{name}" cannot be loaded from {entry_point.value} '
            f"({type(error).__name__}): install the package that brings it again",
        ) from error
    return found


_settings = _Settings()
SETTINGS: Mapping[str, type[msgspec.Struct]] = _settings


def settings_of(kind: str) -> type[msgspec.Struct]:
    """Return the settings of a kind of worker: of a provider, or one of the daemon's own."""
    return _settings.of_daemon.get(kind) or SETTINGS[kind]
