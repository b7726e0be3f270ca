"""What set-ups wrote for this credential is still there, and leads to what is there now.

Of the helper in the settings of Claude Code, `claude_code` says more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from credward.cli.doctor.finding import Finding, Known, fail, ok
from credward.cli.setup import settings_file
from credward.cli.setup.claude_code import by_helper
from credward.cli.setup.editors import FileKind, held
from credward.cli.setup.record import Change, Owner, memory_of_set_ups
from credward.cli.setup.titles import TITLES
from credward.cli.setup.unreadable import UnreadableError
from credward.cli.start import reach
from credward.config import CredentialConfig
from credward.errors import Kind

__all__ = ["check_set_ups"]

# A base URL may be of a gateway on this machine.
_PORT = re.compile(r"^(?!.*_BASE_URL).*\b127\.0\.0\.1:(\d+)", re.MULTILINE)
# As a shell word, quoted or not.
_HELPER = re.compile(r"'(/[^'\n]*/credward-helper)'|(?<![^\s\"(=])(/[^\s'\"]*/credward-helper)")


def check_set_ups(known: Known) -> Iterator[Finding]:
    """Report each file of a tool that was set up for the credential, or for one that is gone."""
    for path, record in memory_of_set_ups().load().items():
        owners = dict.fromkeys((each.owner.tool, each.owner.credential) for each in record.changes)
        for tool, name in owners:
            changes = [
                each
                for each in record.changes
                if (each.owner.tool, each.owner.credential) == (tool, name)
            ]
            if known.config is not None and name and name not in known.config.credentials:
                # A configuration that is not the daemon's was reported already.
                if known.statuses is None or known.shares_files:
                    yield _orphan(tool, name, path)
            elif known.credential is not None and known.credential.name == name:
                if _is_told_elsewhere(changes[0].owner, known.credential):
                    continue
                yield _look(known, tool, Path(path), record.kind, changes)


def _is_told_elsewhere(owner: Owner, credential: CredentialConfig) -> bool:
    return owner.tool == "claude-code" and by_helper(credential)


def _orphan(tool: str, name: str, path: str) -> Finding:
    return fail(
        TITLES.get(tool, tool),
        f'{path} is set up for "{name}", which is not configured: run credward setup {tool} --undo',
        Kind.UNKNOWN_CREDENTIAL,
    )


def _look(
    known: Known, tool: str, path: Path, kind: FileKind, changes: Sequence[Change]
) -> Finding:
    """Return what is wrong with what *tool* has in the file, or that all is well."""
    assert known.credential is not None
    name, check = known.credential.name, TITLES.get(tool, tool)
    again, fix = f"run credward setup {tool} {name}", ("setup", tool, name)
    try:
        text = settings_file.read(path)
        kept = all(held(kind, text, tuple(each.path)) == each.after for each in changes)
    except UnreadableError as error:
        return fail(check, f"{path} {error}: correct it", Kind.FIX_CONFIGURATION)
    if not kept:
        text = f"{path} does not have what set-up wrote there: {again}"
        return fail(check, text, Kind.FIX_CONFIGURATION, fix)
    values = [f"{each.path[-1]}={each.after}" for each in changes]
    programs = {found[1] or found[2] for value in values for found in _HELPER.finditer(value)}
    for program in programs:
        if not os.access(program, os.X_OK):
            text = f"{path} names {program}, which is gone: {again}"
            return fail(check, text, Kind.FIX_CONFIGURATION, fix)
    for port in {int(each) for value in values for each in _PORT.findall(value)}:
        if (problem := _closed(known, name, port)) is not None:
            text = f"{path} leads to port {port} {problem}"
            return fail(check, text, Kind.FIX_CONFIGURATION)
    return ok(check, f"{path} is as set-up wrote it")


def _closed(known: Known, name: str, port: int) -> str | None:
    """Return why *name* is not handed out at *port*, None if it is, or if no daemon says it."""
    if known.statuses is None:
        return None
    for each in reach().endpoints().endpoints:
        if each.port == port or each.name.endswith(f"-{port}"):
            if name not in each.credentials:
                return f'where "{name}" is not handed out: run credward status --endpoints'
            return None if each.failure is None else f"which is closed: {each.failure.message}"
    return "where no endpoint of ours is: run credward status --endpoints"
