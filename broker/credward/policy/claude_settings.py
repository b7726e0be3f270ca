"""What the settings files of Claude Code around a caller set, read as strictly as possible.

Claude Code reads a project's `.claude/settings.json` and `.claude/settings.local.json`. Everything
that it might read from one counts here: each occurrence of a name, in any spelling. An unreadable
file is a fault, not an empty file. `redirects` decides what follows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, NoReturn

from credward.folder import Record, decode
from credward.policy.client_variables import as_used
from credward.policy.destinations import trimmed
from credward.policy.redirects import counts, shown
from credward.tokens import Folder, SettingsFile

__all__ = ["read_folder"]

# Why the content of a file is unknown, and what helps; a `.git` marks the top of a repository.
_FAULTS = {
    "unreadable": "cannot be read: correct it",
    "too-large": "is too large: shorten it",
}
_GIT_FAULTS = {
    "unreadable": "cannot be read, or is not in git's format: correct it",
    "too-large": "is as far up as credward looks (32 folders): ask in a higher folder",
}
# The working directory itself, whose name is not known.
_HERE = "."
_BOM = b"\xef\xbb\xbf"
# The integers that JavaScript keeps exactly (ECMA-262, MAX_SAFE_INTEGER).
_LONGEST_NUMBER = 2**53 - 1
# Two for each of 32 folders, and for a main working tree in two places two each or a record of its
# `.git`; and the last record.
_MOST_FILES = 32 * (2 + 2 * 2) + 1


def read_folder(body: bytes | bytearray, *, home: PurePath | None) -> Folder:
    """Return what a caller sent; raise `ValueError` if the format is wrong.

    The files in *home* itself belong to its owner, not to a repository, and are left out.
    """
    variables: dict[str, str] = {}
    files = []
    for record in decode(body):
        name = record.name.decode("utf-8", "replace")
        if record.kind == "variable":
            variables[name] = as_used(name, record.content.decode("utf-8", "replace"))
        elif home is None or PurePath(name).parent != home / ".claude":
            files.append(_read(name, record))
            if len(files) > _MOST_FILES:
                raise ValueError("there are more files than any folder has")
    return Folder(variables=tuple(variables.items()), files=tuple(files))


def _read(path: str, record: Record) -> SettingsFile:
    if path == _HERE:
        return SettingsFile(path="this folder", fault="is gone or cannot be read: go to another")
    if record.kind != "file":
        faults = _GIT_FAULTS if PurePath(path).name == ".git" else _FAULTS
        return SettingsFile(path=path, fault=faults[record.kind])
    try:
        return SettingsFile(path=path, variables=tuple(_variables(record.content)))
    except _OddValueError as error:
        why = f"sets {error} to a value that is not plain text: correct it"
        return SettingsFile(path=path, fault=why)
    except (ValueError, RecursionError):
        return SettingsFile(path=path, fault="is not JSON: correct it")


def _variables(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield the variables of `env` that count, each as often as it occurs; raise `ValueError`.

    The rest may hold secrets, and is forgotten at once.
    """
    text = content.removeprefix(_BOM).decode("utf-8")
    if not text.strip():
        return
    whole = json.loads(text, object_pairs_hook=_Members, parse_constant=_no_constant)
    if not isinstance(whole, _Members):
        raise ValueError("not an object")  # noqa: TRY004 - of JSON
    for name, table in whole:
        if name == "env" and isinstance(table, _Members):
            for variable, value in table:
                # Some versions pass the name to C, where it ends at a NUL.
                known = trimmed(variable.partition("\0")[0]).upper()
                if counts(known):
                    yield known, as_used(known, _text(known, value))


class _Members(list[tuple[str, Any]]):
    """A JSON object with all its members, including repeated ones."""


class _OddValueError(ValueError):
    """Claude Code may read the value of this variable differently."""


def _text(name: str, value: Any) -> str:
    """Return the text that Claude Code makes of *value* (`String` of JavaScript).

    Only if both languages write the same: they differ on fractions, long numbers, lists. Some
    versions end a text at a NUL.
    """
    match value:
        case str() if "\0" not in value:
            return value
        case bool():
            return str(value).lower()
        case int() if abs(value) <= _LONGEST_NUMBER:
            return str(value)
        case _:
            raise _OddValueError(shown(name))


def _no_constant(_: str) -> NoReturn:
    raise ValueError("not a JSON number")
