"""Programs that print tokens for agents already: `apiKeyHelper` of Claude Code, `auth` of Codex.

Only settings of the user count: those of a folder may come from a repository.
"""

from __future__ import annotations

import shlex
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from credward.cli.setup import claude_code
from credward.cli.setup.json_text import get_member
from credward.cli.setup.settings_file import read
from credward.cli.setup.unreadable import UnreadableError
from credward.errors import BrokerError
from credward.settings.checks import origin_of

__all__ = ["ToolScript", "claude_base_url", "find_scripts"]

# Characters that only a shell understands.
_SHELL = frozenset("$`;&|<>()*?[]{}!#~\n")


class ToolScript(msgspec.Struct, frozen=True, kw_only=True):
    """A program that prints a token for *tool*, as its settings in *path* have it.

    *lifetime*: how long the tool keeps a token (seconds). *base_url* None: the tool's own server.
    """

    tool: str
    path: Path
    program: tuple[str, ...]
    lifetime: float
    base_url: str | None = None
    line: str = ""


def find_scripts(environ: Mapping[str, str]) -> Iterator[ToolScript]:
    """Yield the programs of the user's tools, if they are not ours."""
    home = Path(environ.get("HOME", "/"))
    claude = _claude_file(environ)
    helper = _claude_member(claude, claude_code.HELPER)
    # A relative program would be one of the folder in which this runs.
    if (
        isinstance(helper, str)
        and helper.strip()
        and not claude_code.ours(helper)
        and not _in_folder(helper)
    ):
        variables = claude_code.settings_environment({"user": claude})
        yield ToolScript(
            tool="Claude Code",
            path=claude,
            program=_program(helper, home),
            lifetime=claude_code.kept_for(variables),
            base_url=claude_base_url(environ),
            line=helper,
        )
    yield from _codex_scripts(Path(environ.get("CODEX_HOME") or home / ".codex") / "config.toml")


def claude_base_url(environ: Mapping[str, str]) -> str | None:
    """Return the server that Claude Code uses instead of the vendor's, None if there is none."""
    own = _claude_member(_claude_file(environ), ("env", "ANTHROPIC_BASE_URL"))
    for url in (environ.get("ANTHROPIC_BASE_URL"), own):
        if isinstance(url, str) and origin_of(url) is not None:
            return url
    return None


def _claude_file(environ: Mapping[str, str]) -> Path:
    return claude_code.settings_paths(environ, Path("/"))["user"]


def _claude_member(path: Path, member: tuple[str, ...]) -> Any:
    try:
        text = read(path)
        return get_member(text, member) if text.strip() else None
    except (BrokerError, UnreadableError):
        return None


def _program(line: str, home: Path) -> tuple[str, ...]:
    """Return the words that run *line* as its tool does: by a shell, if it needs one."""
    with suppress(ValueError):
        words = shlex.split(line)
        first, *rest = words[1:] if words[:1] == ["exec"] else words
        if first.startswith("~/"):
            first = str(home / first[2:])
        found = shutil.which(first)
        if found is not None and _SHELL.isdisjoint("".join(rest)) and _plain(line):
            return (found, *rest)
    return ("/bin/sh", "-c", line)


def _in_folder(line: str) -> bool:
    """Return whether the program of *line* depends on the working directory, as `bin/token`."""
    try:
        words = shlex.split(line)
    except ValueError:
        return False
    first = next((word for word in words if word != "exec"), "")
    return "/" in first and not first.startswith(("/", "~", "$"))


def _plain(line: str) -> bool:
    """Return whether a shell would pass on the words as they are, but for a ~ at the beginning."""
    return _SHELL.isdisjoint(line.removeprefix("exec ").lstrip().removeprefix("~/"))


def _codex_scripts(path: Path) -> Iterator[ToolScript]:
    """Yield `[model_providers.NAME.auth]` of Codex (its configuration reference)."""
    try:
        tables = tomllib.loads(read(path)).get("model_providers", {})
    except (BrokerError, tomllib.TOMLDecodeError):
        return
    for each in tables.values() if isinstance(tables, dict) else ():
        auth = each.get("auth") if isinstance(each, dict) else None
        first = auth.get("command") if isinstance(auth, dict) else None
        if not isinstance(auth, dict) or not isinstance(first, str) or "credward" in first:
            continue
        if _in_folder(shlex.quote(first)):
            continue
        arguments = auth.get("args", [])
        if not all(isinstance(word, str) for word in arguments):
            continue
        every = auth.get("refresh_interval_ms")
        url = each.get("base_url")
        yield ToolScript(
            tool="Codex",
            path=path,
            program=(shutil.which(first) or first, *arguments),
            lifetime=every / 1000 if isinstance(every, int) and every > 0 else 300.0,
            base_url=url if isinstance(url, str) and origin_of(url) is not None else None,
            line=shlex.join([first, *arguments]),
        )
