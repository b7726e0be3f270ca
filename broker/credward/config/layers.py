"""The files of the configuration in their order, parsed, with a place for every complaint.

What they mean together is `load`.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from credward.config.locate import Locator
from credward.errors import BrokerError, Kind
from credward.named_files import opened, read_all
from credward.paths import Paths

__all__ = ["Complaints", "ConfigErrors", "Layer", "named_tables", "read_layers"]


class ConfigErrors(BrokerError):  # noqa: N818 - several, by design
    """Everything that is wrong with the configuration; *lines* are `file:line: text`."""

    def __init__(self, lines: list[str]) -> None:
        text = lines[0]
        if len(lines) > 1:
            text += f" (and {len(lines) - 1} more): run credward config check for the list"
        elif ": run " not in text:
            text += ": correct it, then run credward config check"
        super().__init__(Kind.FIX_CONFIGURATION, text)
        self.lines = tuple(lines)


class Complaints(msgspec.Struct):
    """What was found wrong or odd so far."""

    errors: list[str] = msgspec.field(default_factory=list)
    warnings: list[str] = msgspec.field(default_factory=list)


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One file; *system* ones are the administrator's."""

    path: Path
    system: bool
    data: dict[str, Any]
    locator: Locator

    def at(self, *path: str) -> str:
        """Return `file:line` of a key."""
        return f"{self.path}:{self.locator.line(*path)}"


def named_tables(
    layers: list[Layer], section: str, complaints: Complaints, *, noun: str = ""
) -> Iterator[tuple[Layer, str, Any]]:
    """Yield layer, name and value of each `[section.NAME]`; a name that comes again is a complaint.

    *noun*: what a complaint calls the thing, with a blank behind it.
    """
    owner: dict[str, Layer] = {}
    for layer in layers:
        tables = layer.data.get(section, {})
        if not isinstance(tables, dict):
            complaints.errors.append(f"{layer.at(section)}: {section} is a table")
            continue
        for name, table in tables.items():
            if name in owner:
                first = owner[name].at(section, name)
                complaints.errors.append(
                    f'{layer.at(section, name)}: {noun}"{name}" is defined by {first}'
                )
                continue
            owner[name] = layer
            yield layer, name, table


def read_layers(paths: Paths, explicit: Path | None, complaints: Complaints) -> list[Layer]:
    """Return the layers that exist, weakest first; what cannot be read is a complaint."""
    layers = []
    for path, system in _files(paths, explicit):
        layer = _read(path, complaints, system=system)
        if layer is not None:
            layers.append(layer)
    if explicit is not None and not explicit.exists():
        complaints.errors.append(f"{explicit}:1: there is no such file")
    return layers


def _files(paths: Paths, explicit: Path | None) -> Iterator[tuple[Path, bool]]:
    if explicit is not None:
        yield explicit, False
        return
    if not paths.config_alone:
        yield paths.system_config_dir / "config.toml", True
        directory = paths.system_config_dir / "config.d"
        for path in sorted(directory.glob("*.toml")):
            yield path, True
    yield paths.config_file, False


def _read(path: Path, complaints: Complaints, *, system: bool) -> Layer | None:
    try:
        with opened(path) as descriptor:
            found = os.fstat(descriptor)
            text = read_all(descriptor).decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        complaints.errors.append(f"{path}:1: cannot be read ({why})")
        return None
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        complaints.errors.append(f"{path}:1: others can write it: run chmod go-w {path}")
    elif found.st_uid not in {0, os.geteuid()}:
        complaints.errors.append(f"{path}:1: belongs to uid {found.st_uid}, not to you or root")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # tomllib puts the place into the message only.
        place = re.search(r"\(at line (\d+), column \d+\)", str(error))
        message = str(error).partition(" (at ")[0]
        complaints.errors.append(f"{path}:{place[1] if place else 1}: {message}")
        return None
    return Layer(path=path, system=system, data=data, locator=Locator(text))
