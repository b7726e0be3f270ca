"""The settings that Claude Code needs, and existing settings that would override them.

Facts about its settings: locations and precedence as documented by the vendor. `settings_file`
changes files, `command` talks to people.
"""

from __future__ import annotations

import getopt
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from credward.cli.setup.json_text import get_member
from credward.cli.setup.settings_file import read
from credward.cli.setup.unreadable import UnreadableError
from credward.config import CredentialConfig
from credward.errors import BrokerError
from credward.policy.destinations import claimed, is_yes
from credward.settings.checks import messages_base
from credward.settings.services import Service

__all__ = [
    "BASE_URL",
    "HELPER",
    "TTL",
    "HelperCall",
    "asked_for",
    "base_url_of",
    "by_helper",
    "cache_time",
    "helper_call",
    "helper_members",
    "kept_for",
    "managed_files",
    "managed_path",
    "misfit",
    "names_none",
    "ours",
    "runs_ours",
    "settings_environment",
    "settings_paths",
]

HELPER = ("apiKeyHelper",)
TTL = ("env", "CLAUDE_CODE_API_KEY_HELPER_TTL_MS")
BASE_URL = ("env", "ANTHROPIC_BASE_URL")
# Its documented default, and our choice if tokens last long enough (seconds).
_DEFAULT_CACHE_TIME = 300.0
_LONGEST_CACHE_TIME, _SHORTEST_CACHE_TIME = 240, 10
_MANAGED = (
    Path("/etc/claude-code"),
    Path("/Library/Application Support/ClaudeCode"),
)
# Where it sends a helper's token when it is switched to a cloud and the token is to be used there.
SWITCHES = {
    Service.BEDROCK: "CLAUDE_CODE_USE_BEDROCK",
    Service.GOOGLE: "CLAUDE_CODE_USE_VERTEX",
    Service.FOUNDRY: "CLAUDE_CODE_USE_FOUNDRY",
}
# Those of `credward-helper`, as getopt has them.
_PROGRAM = "credward-helper"
_OPTIONS = ("format=", "min-remaining=", "cache-ttl=", "timeout=", "base-url=", "no-start")
# Characters that a shell would change, quoted or not.
_SHELL_WORDS = frozenset("$`;&|<>()*?[]{}!#~")


class HelperCall(msgspec.Struct, frozen=True, kw_only=True):
    """An `apiKeyHelper` that runs the helper and nothing else; *name* is `-` for the default."""

    words: tuple[str, ...]
    name: str


def settings_paths(environ: Mapping[str, str], directory: Path) -> dict[str, Path]:
    """Return the settings files by level, the strongest last."""
    home = Path(environ.get("CLAUDE_CONFIG_DIR") or Path(environ.get("HOME", "/")) / ".claude")
    return {
        "user": home / "settings.json",
        "project": directory / ".claude" / "settings.json",
        "local": directory / ".claude" / "settings.local.json",
    }


def managed_path() -> Path:
    """Return where an administrator puts settings that override all others on this system."""
    return _MANAGED[sys.platform == "darwin"] / "managed-settings.d" / "50-credward.json"


def helper_members(
    helper: Path, name: str, ttl: int, *, named: bool = True
) -> dict[tuple[str, ...], Any]:
    """Return the members that make Claude Code run *helper* for the credential *name*.

    *ttl* is in seconds; the variable counts milliseconds. *named*: the line names the credential.
    """
    line = f"exec {shlex.quote(str(helper))}"
    return {HELPER: f"{line} {shlex.quote(name)}" if named else line, TTL: str(ttl * 1000)}


def base_url_of(credential: CredentialConfig) -> str | None:
    """Return the base URL to set, None if Claude Code goes there by itself, or anywhere."""
    found = next(map(messages_base, credential.base_urls), None)
    return None if found == claimed({}) else found


def cache_time(life: float | None) -> int:
    """Return how long Claude Code should keep a token that lasts *life* (seconds).

    The token that it gets has at least half of that left. A quarter in its cache leaves another
    quarter for a request that still uses the old token, and for a turn.
    """
    if life is None:
        return _LONGEST_CACHE_TIME
    return max(_SHORTEST_CACHE_TIME, min(_LONGEST_CACHE_TIME, round(life / 4)))


def kept_for(variables: Mapping[str, str]) -> float:
    """Return how long Claude Code keeps a token under these *variables* (seconds).

    Anything but a number counts as its default, as for Claude Code.
    """
    text = variables.get(TTL[1], "")
    return int(text) / 1000 if text.isascii() and text.isdecimal() else _DEFAULT_CACHE_TIME


def by_helper(credential: CredentialConfig) -> bool:
    """Return whether *credential* is for the usual way: a helper's token, without a cloud."""
    return credential.meaning.service in {None, Service.CLAUDE}


def misfit(credential: CredentialConfig, environ: Mapping[str, str]) -> str | None:
    """Return why a helper cannot give *credential* to Claude Code in *environ*, None if it can.

    Claude Code sends a helper's output to the Claude API, to ANTHROPIC_BASE_URL, or to the cloud
    that it is switched to.
    """
    service = credential.meaning.service
    switch = SWITCHES.get(service) if service is not None else None
    if by_helper(credential) or (switch is not None and is_yes(environ.get(switch, ""))):
        return None
    return (
        f"is for {service}, but Claude Code sends the helper's token to the Claude API: "
        f"run credward setup claude-code {credential.name}"
    )


def ours(helper: object) -> bool:
    """Return whether we wrote this `apiKeyHelper`."""
    return isinstance(helper, str) and _PROGRAM in helper


def runs_ours(line: str) -> bool:
    """Return whether this `apiKeyHelper` runs a program of our helper's name, and nothing more."""
    if not line.isprintable() or not _SHELL_WORDS.isdisjoint(line):
        return False
    words = _words(line)
    return words is not None and Path(words[0]).name == _PROGRAM and len(words[2]) <= 1


def helper_call(line: str, helper: Path) -> HelperCall | None:
    """Return how *line* runs *helper*, None if it runs something else or something more.

    The line may come from a repository, so only such a call may be tried, and never by a shell.
    """
    if not line.isprintable() or not _SHELL_WORDS.isdisjoint(line):
        return None
    if (words := _words(line)) is None:
        return None
    program, rest, names = words
    found = shutil.which(program)
    if found is None or not Path(found).samefile(helper) or len(names) > 1:
        return None
    return HelperCall(words=(str(helper), *rest), name=names[0] if names else "-")


def asked_for(line: str) -> str | None:
    """Return the credential that a helper line names, None if none: for people, not to run it."""
    words = _words(line)
    return words[2][0] if words is not None and words[2] else None


def names_none(line: str) -> bool:
    """Return whether *line* is a call of a helper of ours that names no credential."""
    words = _words(line)
    return words is not None and ours(words[0]) and not words[2]


def _words(line: str) -> tuple[str, list[str], list[str]] | None:
    """Return program, arguments, and those of them that are no options; None if it has others."""
    try:
        words = shlex.split(line)
        program, *rest = words[1:] if words[:1] == ["exec"] else words
        return program, rest, getopt.gnu_getopt(rest, "", _OPTIONS)[1]
    except (ValueError, getopt.GetoptError):
        return None


def settings_environment(paths: Mapping[str, Path]) -> dict[str, str]:
    """Return the variables that the settings files set for Claude Code and what it starts."""
    tables = [_member(path, ("env",)) for path in (*paths.values(), *managed_files())]
    return {
        name: value
        for table in tables
        if isinstance(table, dict)
        for name, value in table.items()
        if isinstance(value, str)
    }


def read_quietly(path: Path) -> str:
    """Return the text of a file that may be missing or unreadable."""
    try:
        return read(path)
    except BrokerError:
        return ""


def _member(path: Path, member: tuple[str, ...]) -> Any:
    try:
        text = read(path)
        return get_member(text, member) if text.strip() else None
    except (BrokerError, UnreadableError):
        # Claude Code skips a broken file as well.
        return None


def managed_files() -> list[Path]:
    """Return the readable settings files of the administrator, the strongest first."""
    found = []
    for directory in _MANAGED:
        found += sorted((directory / "managed-settings.d").glob("*.json"), reverse=True)
        if (directory / "managed-settings.json").exists():
            found.append(directory / "managed-settings.json")
    return [path for path in found if os.access(path, os.R_OK)]
