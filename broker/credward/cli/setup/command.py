"""`credward setup claude-code`: write what fits, after showing it; take it back exactly.

What Claude Code has to be told is `claude_code`; a new tool is one file and one command here.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from credward.cli.names import complete_credentials
from credward.cli.output import print_json
from credward.cli.setup import claude_code, settings_file
from credward.cli.setup.settings_file import Change, Memory
from credward.cli.start import places
from credward.config import CredentialConfig, environment, load_config
from credward.errors import BrokerError, Kind
from credward.issuing.asking import find_credential

__all__ = ["command"]


@click.group("setup", epilog="Example: credward setup claude-code gateway")
def command() -> None:
    """Tell another tool to ask credward."""


@command.command(
    "claude-code",
    short_help="Make Claude Code ask the helper.",
    epilog="Example: credward setup claude-code gateway --dry-run",
)
@click.argument("name", default="-", shell_complete=complete_credentials)
@click.option(
    "--settings",
    default="user",
    show_default=True,
    help="user, local (this project, not shared), or a settings file.",
)
@click.option(
    "--ttl", type=click.IntRange(1, 3600), default=240, show_default=True, help="Seconds."
)
@click.option("--dry-run", is_flag=True, help="Show the change and stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--replace", is_flag=True, help="Replace a helper that is not ours.")
@click.option("--undo", is_flag=True, help="Put everything back as it was.")
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
def claude_code_command(
    name: str,
    settings: str,
    ttl: int,
    dry_run: bool,
    yes: bool,
    replace: bool,
    undo: bool,
    as_json: bool,
) -> None:
    """Make Claude Code ask the native helper for the credential NAME.

    Sets apiKeyHelper, its cache time and, where the credential has one, the base URL. Everything
    else in the file stays byte for byte; the old file is kept as a backup.
    """
    paths = claude_code.settings_paths(environment(), Path.cwd())
    target = _target(settings, paths)
    memory = Memory(places().state_dir / "setup-claude-code.json")
    before = settings_file.read(target)
    try:
        if undo:
            after, changes = _undone(target, before, memory)
        else:
            credential = find_credential(load_config(places()), name)
            after, changes = _done(target, before, credential, ttl, replace=replace)
    except BrokerError as error:
        if "JSON" in error.message and not error.message.startswith('"'):
            raise BrokerError(
                error.kind, f'"{target}" {error.message}: mend it, nothing was changed'
            ) from error
        raise
    backup = None
    if after != before and not dry_run:
        _confirm(target, before, after, yes=yes, quiet=as_json)
        backup = settings_file.replace(target, after, stamp=time.strftime("%Y%m%d-%H%M%S"))
        _remember(memory, target, changes, undo=undo)
    found = list(claude_code.warnings(environment(), paths, target))
    if as_json:
        print_json(_result(target, before, after, backup, found))
        return
    _tell(target, before, after, backup, found, undo=undo, dry_run=dry_run)
    if not (undo or dry_run):
        from credward.cli.doctor import examine

        sys.exit(examine(name))


def _target(settings: str, paths: dict[str, Path]) -> Path:
    if settings in {"user", "local"}:
        return paths[settings]
    target = Path(settings).expanduser().absolute()
    if target == paths["project"]:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{target}" is shared with everybody who clones: use --settings local',
        )
    return target


def _done(
    target: Path, before: str, credential: CredentialConfig, ttl: int, *, replace: bool
) -> tuple[str, list[Change]]:
    from credward.cli.helper_probe import find_helper

    wanted = claude_code.wanted(find_helper(), credential, ttl)
    after, changes = settings_file.apply(before, wanted)
    for change in changes:
        foreign = change.path == list(claude_code.HELPER) and change.before is not None
        if foreign and not claude_code.ours(change.before) and not replace:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{target}" has an apiKeyHelper of its own: run this again with --replace '
                "(--undo brings it back)",
            )
    return after, changes


def _undone(target: Path, before: str, memory: Memory) -> tuple[str, list[Change]]:
    changes = memory.load().get(str(target))
    if changes is None:
        raise BrokerError(Kind.BAD_REQUEST, f'"{target}" was not changed by us: nothing to undo')
    return settings_file.take_back(before, changes), changes


def _remember(memory: Memory, target: Path, changes: list[Change], *, undo: bool) -> None:
    known = memory.load()
    if undo:
        known.pop(str(target), None)
    else:
        # What was there before our first change is what undoing brings back.
        earlier = {tuple(each.path): each for each in known.get(str(target), [])}
        for change in changes:
            first = earlier.get(tuple(change.path))
            earlier[tuple(change.path)] = Change(
                path=change.path,
                before=first.before if first else change.before,
                after=change.after,
            )
        known[str(target)] = list(earlier.values())
    memory.save(known)


def _confirm(target: Path, before: str, after: str, *, yes: bool, quiet: bool) -> None:
    if not quiet:
        click.echo(settings_file.diff(target, before, after))
    if yes:
        return
    if not sys.stdin.isatty():
        raise BrokerError(
            Kind.BAD_REQUEST, f'"{target}" is left alone without a yes: run this again with --yes'
        )
    click.confirm(f"Change {target}?", abort=True)


def _tell(
    target: Path,
    before: str,
    after: str,
    backup: Path | None,
    found: list[str],
    *,
    undo: bool,
    dry_run: bool,
) -> None:
    if after == before:
        click.echo(f"{target}: nothing to do")
    elif dry_run:
        click.echo(settings_file.diff(target, before, after))
        click.echo("dry run: nothing was changed")
    else:
        kept = f", the old one is {backup}" if backup else ""
        click.echo(f"{target}: changed{kept}")
        if not undo:
            click.echo("note: with a helper Claude Code bills its API, not a subscription")
    for line in found:
        click.echo(f"warning: {line}")


def _result(
    target: Path, before: str, after: str, backup: Path | None, found: list[str]
) -> dict[str, Any]:
    return {
        "file": str(target),
        "changed": after != before,
        "backup": str(backup) if backup else None,
        "diff": settings_file.diff(target, before, after),
        "warnings": found,
    }
