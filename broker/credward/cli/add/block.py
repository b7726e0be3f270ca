"""The block of one credential as TOML, and a configuration with it.

Knows words and places in the text; `config` checks what they mean.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import tomlkit
from tomlkit.items import InlineTable, Table

from credward.errors import BrokerError, Kind
from credward.settings.registry import SETTINGS

__all__ = ["Wanted", "block_text", "full_program", "split_word", "with_block", "with_default"]

Words = tuple[tuple[str, str], ...]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A credential to be written: *program* for the provider `command`, *words* are key and text.

    A key may have dots; a text that is a TOML value of the right type is written as that value.
    """

    name: str
    provider: str
    program: tuple[str, ...] = ()
    words: Words = ()


def split_word(word: str) -> tuple[str, str]:
    """Return key and text of KEY=VALUE."""
    key, equals, text = word.partition("=")
    if not equals or not all(key.split(".")):
        raise BrokerError(
            Kind.BAD_REQUEST, f'--set "{word}" is not KEY=VALUE: write --set lifetime=600'
        )
    return key, text


def full_program(program: Sequence[str]) -> tuple[str, ...]:
    """Return *program* with a full path, as this shell finds it.

    The daemon has another PATH and another directory. What is not found stays: its mint says so.
    """
    if not program:
        return ()
    first, *rest = program
    found = shutil.which(first)
    if found is not None:
        first = os.path.abspath(found)  # noqa: PTH100 - a link keeps its name: it may be the word
    elif "/" in first and not first.startswith(("/", "~/")):
        first = str(Path.cwd() / first)
    return (first, *rest)


def block_text(wanted: Wanted) -> str:
    """Return the block alone."""
    document = tomlkit.document()
    credentials = tomlkit.table(is_super_table=True)
    credentials[wanted.name] = _table(wanted)
    document["credentials"] = credentials
    return tomlkit.dumps(document)


def with_block(before: str, wanted: Wanted) -> str:
    """Return the text *before* with the block: at its end, or instead of the one that it has.

    All else stays: comments, order, and in the old block the comments of keys that stay.
    """
    document = tomlkit.parse(before)
    credentials = document.get("credentials", {})
    if wanted.name not in credentials:
        # A last line without a line end would swallow the first line of the block.
        rest = before if before.endswith("\n") or not before else before + "\n"
        return rest + ("\n" if before.strip() else "") + block_text(wanted)
    old, new = credentials[wanted.name], _table(wanted)
    if isinstance(old, Table | InlineTable):
        _update(old, new)
        after = tomlkit.dumps(document)
        if _as_meant(before, after, wanted.name, new):
            return after
    raise BrokerError(
        Kind.BAD_REQUEST,
        f'"{wanted.name}" is written in several places of the file: run credward config edit',
    )


def with_default(text: str, name: str) -> tuple[str, str | None]:
    """Return *text* with another default, and the earlier one."""
    document = tomlkit.parse(text)
    before = document.get("default")
    document["default"] = name
    return tomlkit.dumps(document), None if before is None else str(before)


def _table(wanted: Wanted) -> Table:
    table = tomlkit.table()
    table["provider"] = wanted.provider
    if wanted.program:
        table["command"] = list(wanted.program)
    for key, text in wanted.words:
        inner: Any = table
        *outer, last = key.split(".")
        for part in outer:
            inner = inner.setdefault(part, tomlkit.table())
            if not isinstance(inner, Table):
                raise BrokerError(
                    Kind.BAD_REQUEST,
                    f'--set "{key}" and --set "{part}" exclude each other: keep one of them',
                )
        inner[last] = _value(wanted.provider, last, text)
    return table


def _update(old: Table | InlineTable, new: Table) -> None:
    """Make *old* say what *new* says."""
    for key in [key for key in old if key not in new]:
        old.remove(key)
    for key, value in new.items():
        if key in old and old[key].unwrap() != value.unwrap():
            old[key] = value
    # Comments at the end of a table mostly belong to the next one: keys go before them.
    body = old.value.body
    tail: list[Any] = []
    while body and body[-1][0] is None:
        tail.insert(0, body.pop())
    for key, value in new.items():
        if key not in old:
            old.append(key, value)
    body.extend(tail)


def _as_meant(before: str, after: str, name: str, new: Table) -> bool:
    """Return whether *after* differs from *before* in this block only."""
    try:
        expected, found = tomllib.loads(before), tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        return False
    expected["credentials"][name] = new.unwrap()
    return expected == found


def _value(provider: str, key: str, text: str) -> Any:
    """Return *text* parsed as a TOML value, else as a string."""
    shape = SETTINGS.get(provider)
    fields = {each.name: each.type for each in msgspec.structs.fields(shape)} if shape else {}
    try:
        # With the line end, which the value keeps.
        value = tomlkit.parse(f"value = {text}\n")["value"]
    except tomlkit.exceptions.ParseError:
        return text
    if key not in fields:
        return value
    if isinstance(value, dict):
        # Nobody writes a reference as a plain string; the check reports errors in it.
        return value
    try:
        msgspec.convert(value.unwrap(), fields[key])
    except msgspec.ValidationError:
        # A client id of digits is still a string.
        return text
    return value
