"""The files of the configuration in their order, parsed, with the place of every error.

`load` knows what they mean together.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from credward.config.locate import Locator
from credward.named_files import read_checked, read_text
from credward.paths import Paths

__all__ = [
    "Complaints",
    "Layer",
    "edited_files",
    "named_tables",
    "read_layers",
    "text_digest",
    "toml_place",
]


class Complaints(msgspec.Struct):
    """The errors and warnings so far."""

    errors: list[str] = msgspec.field(default_factory=list)
    warnings: list[str] = msgspec.field(default_factory=list)


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One file; *system* ones are the administrator's."""

    path: Path
    system: bool
    data: dict[str, Any]
    locator: Locator
    digest: str = ""

    def at(self, *path: str) -> str:
        """Return `file:line` of a key."""
        return f"{self.path}:{self.locator.line(*path)}"


def named_tables(
    layers: list[Layer], section: str, complaints: Complaints, *, noun: str = ""
) -> Iterator[tuple[Layer, str, Any]]:
    """Yield layer, name and value of each `[section.NAME]`; a repeated name is an error.

    *noun*: the word for it in errors, with a space at the end.
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
    """Return the layers that exist, weakest first; an unreadable file is an error."""
    layers = []
    for path, system in _files(paths, explicit):
        layer = _read(path, complaints, system=system)
        if layer is not None:
            layers.append(layer)
    if explicit is not None and not explicit.exists():
        complaints.errors.append(f"{explicit}:1: the file does not exist")
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
        text = read_checked(path, complaints.errors)
    except FileNotFoundError:
        return None
    if text is None:
        return None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, _ = toml_place(error, text)
        complaints.errors.append(f"{path}:{line}: not valid TOML, {_in_words(error)}")
        return None
    return Layer(
        path=path, system=system, data=data, locator=Locator(text), digest=text_digest(text)
    )


def edited_files(files: Iterable[tuple[Path, str]]) -> list[str]:
    """Return those of *files*, each with the digest of what was read, that differ by now.

    One that is gone or cannot be read is not among them: the next reload says so.
    """
    found = []
    for path, digest in files:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if text_digest(read_text(path)) != digest:
                found.append(str(path))
    return found


def text_digest(text: str) -> str:
    """Return a short digest of a file's text, to see whether another one was read."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def toml_place(error: tomllib.TOMLDecodeError, text: str) -> tuple[int, int]:
    """Return line and column (from 1) of an error in *text*; only its message has them."""
    place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
    if place is not None:
        return int(place[1]), int(place[2])
    lines = text.splitlines() or [""]
    return len(lines), len(lines[-1]) + 1


def _in_words(error: tomllib.TOMLDecodeError) -> str:
    """Return what is wrong, as a part of a sentence."""
    message = str(error).partition(" (at ")[0]
    if message == "Invalid value":
        return "a value is missing or a text is not in quotes"
    return message[:1].lower() + message[1:]
