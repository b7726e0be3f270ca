"""Which providers there are and their settings, without loading a provider.

Each file is loaded at its first use, so the daemon holds only what its configuration names.
`providers.registry` finds the provider itself, in a worker.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from credward.errors import BrokerError, Kind

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "OWN_KINDS", "SETTINGS", "settings_of"]

# A package with a provider registers its settings here, under the provider's name.
GROUP = "credward.settings"
# Kinds of worker for the daemon itself: not for credentials or plug-ins. A probe has no settings.
OWN_KINDS = frozenset({"keychain", "probe"})
# Files of this folder with the class `Settings`.
_BUILT_IN = ("anthropic", "aws", "command", "entra", "gcp", "local", "oauth", "static", "vault")


def _announced() -> tuple[EntryPoint, ...]:
    """Return what plug-ins register; loaded late, because it takes a megabyte."""
    from importlib.metadata import entry_points  # noqa: PLC0415

    return tuple(entry_points(group=GROUP))


class _Settings(Mapping[str, type[msgspec.Struct]]):
    """Provider name to its settings. Plug-ins are searched only if a name is not built in."""

    def __getitem__(self, name: str) -> type[msgspec.Struct]:
        if name in OWN_KINDS:
            raise KeyError(name)
        return _load(name) if name in _BUILT_IN else _load_plug_in(name)

    def __iter__(self) -> Iterator[str]:
        yield from _BUILT_IN
        plug_ins = {each.name for each in _announced()}
        yield from sorted(plug_ins.difference(_BUILT_IN) - OWN_KINDS)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _load(name: str) -> type[msgspec.Struct]:
    found: type[msgspec.Struct] = importlib.import_module(f"credward.settings.{name}").Settings
    return found


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
            f"({type(error).__name__}): reinstall its package",
        ) from error
    return found


SETTINGS: Mapping[str, type[msgspec.Struct]] = _Settings()


def settings_of(kind: str) -> type[msgspec.Struct]:
    """Return the settings of a kind of worker: of a provider, or one of the daemon's own."""
    return _load(kind) if kind in OWN_KINDS else SETTINGS[kind]
