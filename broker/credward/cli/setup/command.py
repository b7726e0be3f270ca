"""`credward setup claude-code`: show the change, write it, and undo it exactly.

`claude_code` knows the settings; a new tool is one file and one command here.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import msgspec

from credward.cli.names import complete_credentials
from credward.cli.output import print_json
from credward.cli.recording import record_places
from credward.cli.setup import claude_code, settings_file
from credward.cli.setup.json_text import UnreadableError
from credward.cli.setup.settings_file import Change, Record
from credward.cli.setup.undo import memory_of_claude_code, tell_undone
from credward.cli.start import paths, reach
from credward.config import CredentialConfig, environment, load_config
from credward.errors import BrokerError, Kind
from credward.issuing.asking import find_credential

__all__ = ["command"]


@click.group(
    "setup",
    invoke_without_command=True,
    epilog="Example: credward setup claude-code gateway\n\nExample: credward setup --undo --all",
)
@click.option("--undo", is_flag=True, help="With --all: undo the set-up of every tool.")
@click.option("--all", "everything", is_flag=True, help="Every tool and every file.")
@click.pass_context
def command(ctx: click.Context, undo: bool, everything: bool) -> None:
    """Let a tool get its credential from credward."""
    if ctx.invoked_subcommand is not None:
        return
    if not (undo and everything):
        if undo or everything:
            raise click.UsageError("--undo and --all go together, or name a tool", ctx)
        raise click.exceptions.NoArgsIsHelpError(ctx)
    tell_undone()


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
    "--ttl",
    type=click.IntRange(1, 3600),
    help="Seconds to keep a token; the default fits its life, at most 240.",
)
@click.option("--dry-run", is_flag=True, help="Show the change and stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--replace", is_flag=True, help="Replace a helper that is not ours.")
@click.option("--undo", is_flag=True, help="Restore everything.")
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
def claude_code_command(
    name: str,
    settings: str,
    ttl: int | None,
    dry_run: bool,
    yes: bool,
    replace: bool,
    undo: bool,
    as_json: bool,
) -> None:
    """Make Claude Code ask the native helper for the credential NAME.

    Sets apiKeyHelper, its cache time and, if the credential has one, the base URL. Everything else
    in the file stays the same; the old file is kept as a backup until --undo.
    """
    files = claude_code.settings_paths(environment(), Path.cwd())
    target = _target(settings, files)
    memory = memory_of_claude_code()
    records = memory.load()
    record = records.get(str(target))
    before = settings_file.read(target)
    try:
        plan = (
            _undoing(target, before, record)
            if undo
            else _doing(
                target,
                before,
                find_credential(load_config(paths()), name),
                ttl=ttl,
                replace=replace,
                earlier=record,
            )
        )
    except UnreadableError as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION, f'"{target}" {error}: correct it, nothing was changed'
        ) from error
    backup = None
    if not dry_run:
        if plan.changed:
            _confirm(target, plan, yes=yes, quiet=as_json)
        backup = _carry_out(target, plan, records)
        if undo or plan.changed:
            memory.save(records)
        if not undo:
            record_places()
    found = list(claude_code.warnings(environment(), files, target))
    if as_json:
        print_json(_result(target, plan, backup, found))
        return
    _tell(target, plan, backup, found, dry_run=dry_run)
    if not (undo or dry_run):
        from credward.cli.doctor import examine

        sys.exit(examine(name, settings=target))


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The planned state of the file; *after* None: no file.

    *changes*: what we do; none for an undo. *whole*: it becomes exactly the original.
    """

    before: str
    after: str | None
    changed: bool
    changes: list[Change] | None = None
    whole: bool = False

    def diff(self, target: Path) -> str:
        return settings_file.diff(target, self.before, self.after or "")


def _target(settings: str, files: dict[str, Path]) -> Path:
    if settings in {"user", "local"}:
        return files[settings]
    if "/" not in settings and not settings.endswith(".json"):
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{settings}" is not a level and not a settings file: use --settings user, local, or '
            "the path of a .json file",
        )
    target = Path(settings).expanduser().absolute()
    if target == files["project"]:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{target}" is shared with everyone who clones the repository: use --settings local',
        )
    return target


def _doing(
    target: Path,
    before: str,
    credential: CredentialConfig,
    *,
    ttl: int | None,
    replace: bool,
    earlier: Record | None,
) -> _Plan:
    from credward.cli.helper_probe import find_helper

    if (problem := claude_code.misfit(credential)) is not None:
        raise BrokerError(Kind.FIX_CONFIGURATION, f'"{credential.name}" {problem}')
    if ttl is None:
        ttl = claude_code.cache_time(_life(credential))
    wanted = claude_code.wanted(find_helper(), credential, ttl)
    after, changes = settings_file.apply(before, wanted, earlier)
    for change in changes:
        foreign = change.path == list(claude_code.HELPER) and change.before is not None
        if foreign and not claude_code.ours(change.before) and not replace:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{target}" already has an apiKeyHelper: run this again with --replace '
                "(--undo brings it back)",
            )
    return _Plan(before=before, after=after, changed=after != before, changes=changes)


def _life(credential: CredentialConfig) -> float | None:
    """Return how long its tokens last (seconds), if a running daemon or settings know."""
    lives: list[float | None] = []
    with suppress(BrokerError):
        lives += [
            each.life for each in reach().statuses().credentials if each.name == credential.name
        ]
    lives.append(credential.meaning.lifetime)
    return next((life for life in lives if life is not None), None)


def _undoing(target: Path, before: str, record: Record | None) -> _Plan:
    if record is None:
        raise BrokerError(
            Kind.BAD_REQUEST, f'"{target}" was not changed by credward: nothing to undo'
        )
    after, whole = settings_file.undone(target, before, record)
    changed = target.exists() if after is None else after != before
    return _Plan(before=before, after=after, changed=changed, whole=whole)


def _carry_out(target: Path, plan: _Plan, records: dict[str, Record]) -> Path | None:
    """Apply it, note it in *records*, and return its backup."""
    record = records.get(str(target)) if plan.changes is not None else records.pop(str(target))
    if plan.whole and record is not None:
        settings_file.put_back(target, plan.after, record)
    elif plan.changed and plan.after is not None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        replaced = settings_file.replace(target, plan.after, stamp=stamp)
        if plan.changes is not None:
            records[str(target)] = Record.of(
                record, plan.before, plan.after, plan.changes, replaced
            )
        return replaced.backup
    return None


def _confirm(target: Path, plan: _Plan, *, yes: bool, quiet: bool) -> None:
    if not quiet:
        click.echo(plan.diff(target))
    if yes:
        return
    if not sys.stdin.isatty():
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{target}" was not changed without your yes: run this again with --yes',
        )
    click.confirm(f"Change {target}?", abort=True)


def _tell(
    target: Path, plan: _Plan, backup: Path | None, found: list[str], *, dry_run: bool
) -> None:
    if not plan.changed:
        click.echo(f"{target}: nothing to do")
    elif dry_run:
        click.echo(plan.diff(target))
        click.echo("dry run: nothing was changed")
    elif plan.whole:
        click.echo(
            f"{target}: {'removed, as before' if plan.after is None else 'as it was before'}"
        )
    else:
        click.echo(f"{target}: changed" + (f", the old one is {backup}" if backup else ""))
        if plan.changes is not None:
            click.echo("note: with a helper Claude Code bills its API, not a subscription")
    for line in found:
        click.echo(f"warning: {line}")


def _result(target: Path, plan: _Plan, backup: Path | None, found: list[str]) -> dict[str, Any]:
    return {
        "file": str(target),
        "changed": plan.changed,
        "backup": str(backup) if backup else None,
        "diff": plan.diff(target),
        "warnings": found,
    }
