"""What Claude Code makes of its settings files together: which value counts, and from which file.

Reads only; `claude_code` knows the settings that we write. Source: code.claude.com, "Settings". A
member of a stronger file replaces that of a weaker one, `env` is merged by variable, and its
variables replace those of the shell.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from credward.cli.setup.claude_code import (
    HELPER,
    asked_for,
    helper_call,
    managed_files,
    ours,
    settings_paths,
)
from credward.cli.setup.json_text import get_member
from credward.cli.setup.settings_file import read
from credward.cli.setup.unreadable import UnreadableError
from credward.errors import BrokerError
from credward.issuing.asking import DEFAULT_NAME
from credward.policy.client_variables import told

__all__ = ["Level", "Merged", "read_merged"]

# Whoever makes a repository can bring a file of these levels.
_OF_A_FOLDER = ("project", "local")


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One settings file; *fault* says why its content is unknown, and what to do.

    *of_the_folder*: a repository may have brought it.
    """

    name: str
    path: Path
    of_the_folder: bool
    content: Mapping[str, Any] = {}
    fault: str = ""

    def __repr__(self) -> str:
        # An `env` may hold keys.
        return f"Level({self.name}, {self.path})"

    @property
    def variables(self) -> dict[str, str]:
        """Its `env`, with each value as the text that Claude Code makes of it."""
        table = self.content.get("env")
        found = table.items() if isinstance(table, dict) else ()
        return {name: text for name, value in found if (text := _text(value)) is not None}


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """All levels, the weakest first, and the *shell* that Claude Code would start from."""

    levels: tuple[Level, ...]
    shell: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Merged({self.levels})"

    @property
    def helper(self) -> tuple[str, Level] | None:
        """The `apiKeyHelper` that counts, and where it is."""
        for level in reversed(self.levels):
            if isinstance(line := level.content.get(HELPER[0]), str):
                return line, level
        return None

    def named(self, helper: Path) -> str | None:
        """Return the credential that the line names, None if it is no plain call of *helper*."""
        call = helper_call(self.helper[0], helper) if self.helper else None
        return None if call is None or call.name == DEFAULT_NAME else call.name

    @property
    def asked_for(self) -> str | None:
        """The credential that a line of ours names, None if none: for people, not to run it."""
        line = self.helper[0] if self.helper else ""
        return asked_for(line) if ours(line) else None

    def environment(self, *, folder: bool = True) -> dict[str, str]:
        """Return the environment of Claude Code and its helper.

        Without *folder*: as if there were no settings of the repository. That is what the first run
        of a helper sees (observed with 2.1.329), but for a few variables such as its cache time.
        """
        found = dict(self.shell)
        for level in self.levels:
            if folder or not level.of_the_folder:
                found |= level.variables
        return found

    def safe_environment(self) -> dict[str, str]:
        """Return the environment in which the helper may be tried.

        A repository's variables could make a shell run a program of the repository, so of these
        only those remain that the helper reports.
        """
        found = dict(self.shell)
        for level in self.levels:
            said = level.variables
            if level.of_the_folder:
                said = {name: value for name, value in said.items() if told({name: value})}
            found |= said
        return found

    def setter(self, variable: str, *, folder: bool = True) -> Level | None:
        """Return the level whose value of *variable* counts, None if that is the shell.

        *folder* as for `environment`.
        """
        levels = [
            each
            for each in self.levels
            if variable in each.variables and (folder or not each.of_the_folder)
        ]
        return levels[-1] if levels else None


def read_merged(environ: Mapping[str, str], directory: Path, extra: Path | None = None) -> Merged:
    """Return what counts in *directory*; *extra*: a file given by `claude --settings FILE`."""
    files = settings_paths(environ, directory)
    # The files in the home directory are its owner's, and one of them has two names there.
    at_home = files["project"].resolve() == files["user"].resolve()
    if at_home:
        del files["project"]
    if extra is not None and extra not in files.values():
        files["given"] = extra
    levels = [*files.items(), *(("managed", each) for each in reversed(managed_files()))]
    found = (
        _read(path, name=name, of_the_folder=name in _OF_A_FOLDER and not at_home)
        for name, path in levels
    )
    return Merged(levels=tuple(each for each in found if each is not None), shell=dict(environ))


def _read(path: Path, *, name: str, of_the_folder: bool) -> Level | None:
    """Return one level, None if there is no such file, or nothing in it."""
    level = Level(name=name, path=path, of_the_folder=of_the_folder)
    try:
        text = read(path)
        content = get_member(text, ()) if text.strip() else None
    except UnreadableError as error:
        fault = f'"{path}" {error}, so Claude Code ignores it: correct it'
        return msgspec.structs.replace(level, fault=fault)
    except BrokerError as error:
        return msgspec.structs.replace(level, fault=error.message)
    return None if content is None else msgspec.structs.replace(level, content=content)


def _text(value: Any) -> str | None:
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case _:
            return None
