"""What the block of a name says now: the default answers when `credward add` asks about it again.

Only the user's own file counts: a block elsewhere is not replaced.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping
from typing import Any

import tomlkit

from credward.cli.add.block import Words
from credward.cli.add.choice import Choice
from credward.cli.config import read_config
from credward.cli.start import paths

__all__ = ["answer_now", "block_now", "is_of", "other_words", "program_now"]


def block_now(name: str | None) -> Mapping[str, Any]:
    """Return the block of *name*; empty if there is none, or the file is invalid."""
    try:
        tables = tomllib.loads(read_config(paths().config_file)).get("credentials", {})
    except tomllib.TOMLDecodeError:
        # The plan reports it, with its line.
        return {}
    block = tables.get(name, {}) if isinstance(tables, dict) else {}
    return block if isinstance(block, dict) else {}


def is_of(choice: Choice, block: Mapping[str, Any]) -> bool:
    """Return whether *choice* could have made *block*: its provider, its settled words."""
    settled = dict(choice.words)
    return (
        block.get("provider") == choice.provider
        and all(str(block.get(key)) == text for key, text in settled.items())
        and (choice.program is None or list(choice.program) == block.get("command", []))
        and (not choice.questions or not _keys(choice).isdisjoint(block))
    )


def answer_now(block: Mapping[str, Any], key: str) -> str | None:
    """Return the present answer to a question, None if there is none."""
    value = block.get(key)
    return value if isinstance(value, str) and value.isprintable() else None


def program_now(block: Mapping[str, Any]) -> str | None:
    """Return the present program and its arguments, as they are typed."""
    command = block.get("command")
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        return None
    return shlex.join(command) or None


def other_words(choice: Choice, block: Mapping[str, Any]) -> Words:
    """Return what else the block says, as TOML: nobody is asked about it, so it stays."""
    asked = {"provider", *_keys(choice), *dict(choice.words)}
    if choice.moves is not None:
        asked.add(choice.moves.field)
    return tuple((key, _toml(value)) for key, value in block.items() if key not in asked)


def _keys(choice: Choice) -> set[str]:
    found = {question.key for question in choice.questions}
    return found if choice.program == () else {*found, "command"}


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        inline = tomlkit.inline_table()
        inline.update(value)
        return str(inline.as_string())
    return str(tomlkit.item(value).as_string())
