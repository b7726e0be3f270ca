"""What would keep a set-up of Claude Code from working: variables elsewhere, models, its version.

Each is one line: an error if a settings file says it, a warning if the shell or the version does.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from credward.cli.setup.claude_code_merged import read_merged
from credward.cli.setup.editors import held
from credward.cli.setup.file_plan import Plan
from credward.cli.setup.ways.way import Way
from credward.errors import BrokerError, Kind
from credward.policy.destinations import CLIENTS, is_yes

__all__ = ["MODEL", "SMALL_MODEL", "check_models", "find_rivals", "version_notes"]

# The models of Claude Code; ANTHROPIC_SMALL_FAST_MODEL is the former name of the second one.
MODEL, SMALL_MODEL = "ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_HAIKU_MODEL"
_REGION = "AWS_REGION"
_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:(?P<region>[a-z0-9-]+):.+")
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)\b")
_SWITCHES = frozenset(each.switch for each in CLIENTS if each.switch)
# Starting it takes less than one second (seconds).
_PATIENCE = 10.0


def check_models(chosen: Mapping[str, str], variables: Mapping[str, str]) -> None:
    """Raise `bad-request` for a model whose ARN is of another region than that of *variables*."""
    for name in (MODEL, SMALL_MODEL):
        found = _ARN.fullmatch(chosen.get(name, ""))
        region = variables.get(_REGION)
        if found is not None and region is not None and found["region"] != region:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f"{name} is a model in {found['region']}, and AWS_REGION is {region}: "
                f"add --region {found['region']}, or name another model",
            )


def find_rivals(way: Way, plan: Plan, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for what the shell sets against *way*; raise `bad-request` for settings."""
    # Of the usual way doctor says it, which runs after it.
    if not way.rivals and _SWITCHES.isdisjoint(way.variables):
        return
    rivals = {*way.rivals, *(_SWITCHES - way.variables.keys())}
    for level in read_merged(environ, Path.cwd(), plan.target).levels:
        table = level.variables
        if level.path == plan.target:
            found = held("json", plan.after or "", ("env",))
            table = found if isinstance(found, dict) else {}
        for name in sorted(rivals & table.keys()):
            if _counts(name, str(table[name])):
                raise BrokerError(
                    Kind.BAD_REQUEST,
                    f'"{level.path}" sets {name}, which leads Claude Code elsewhere: '
                    "remove it there, then run this again",
                )
    for name in sorted(rivals & environ.keys()):
        if _counts(name, environ[name]):
            yield f"warning: {name} is set here and leads Claude Code elsewhere: unset {name}"


def version_notes(way: Way) -> Iterator[str]:
    """Yield a warning if the Claude Code on PATH is too old for *way*."""
    if not way.oldest or (program := shutil.which("claude")) is None:
        return
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    there, wanted = _version(done.stdout), _version(way.oldest)
    if there is not None and wanted is not None and there < wanted:
        said = ".".join(map(str, there))
        yield (
            f"warning: Claude Code {said} may ignore the helper here, {way.oldest} does not: "
            "run claude update"
        )


def _version(text: str) -> tuple[int, ...] | None:
    found = _VERSION.search(text)
    return None if found is None else tuple(map(int, found.groups()))


def _counts(name: str, value: str) -> bool:
    return (
        is_yes(value) if name.startswith(("CLAUDE_CODE_USE_", "CLAUDE_CODE_SKIP_")) else bool(value)
    )
