"""`credward setup claude-code`: show the change, write it, and undo it exactly.

`planning` decides on the change, `claude_code` knows the settings; a new tool is one file and one
command here.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from credward.cli.names import complete_credentials
from credward.cli.output import print_json, say
from credward.cli.recording import record_places
from credward.cli.setup import claude_code, settings_file
from credward.cli.setup.allowing import Allowing, ask_about, plan_allowing, words_for
from credward.cli.setup.json_text import UnreadableError, set_member
from credward.cli.setup.planning import (
    LEVELS,
    Options,
    Plan,
    active_notes,
    credential_for,
    is_shared,
    members_for,
    plan_set_up,
    plan_undo,
    shared_notes,
    target_of,
)
from credward.cli.setup.putting_back import notes_about, put_back_options
from credward.cli.setup.replacing import replacing_notes
from credward.cli.setup.settings_file import Record
from credward.cli.setup.taken_out import load
from credward.cli.setup.undo import (
    left_lines,
    memory_of_claude_code,
    record_of,
    restored,
    tell_undone,
)
from credward.cli.setup.variables import chosen_variables
from credward.config import CredentialConfig, environment
from credward.errors import BrokerError, Kind

__all__ = ["command"]


@click.group(
    "setup",
    invoke_without_command=True,
    epilog="Example: credward setup claude-code gateway\n\nExample: credward setup --undo --all",
)
@click.option("--undo", is_flag=True, help="With --all: undo the set-up of every tool.")
@click.option("--all", "everything", is_flag=True, help="Every tool and every file.")
@click.option("--yes", is_flag=True, help="With --undo: do not ask.")
@put_back_options
@click.pass_context
def command(ctx: click.Context, /, undo: bool, everything: bool, yes: bool, **keys: Any) -> None:
    """Let a tool get its credential from credward."""
    if ctx.invoked_subcommand is not None:
        return
    if not (undo and everything):
        if undo or everything:
            raise click.UsageError("--undo and --all go together, or name a tool", ctx)
        raise click.exceptions.NoArgsIsHelpError(ctx)
    tell_undone(keys["put_back"], although_changed=keys["although_changed"], yes=yes)


@command.command(
    "claude-code",
    short_help="Make Claude Code ask the helper.",
    epilog="Example: credward setup claude-code gateway --dry-run\n\n"
    "Example: credward setup claude-code gateway --env DISABLE_PROMPT_CACHING=1",
)
@click.argument("name", default="-", shell_complete=complete_credentials)
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    default="user",
    show_default=True,
    help="user: all your projects; local: this one, for you; project: this one, for all; "
    "managed: print it for an administrator.",
)
@click.option(
    "--settings",
    "file",
    type=click.Path(path_type=Path),
    help="A settings file instead of a level's.",
)
@click.option(
    "--env",
    "variables",
    multiple=True,
    metavar="K=V",
    help="A variable to set, kept by later runs; K= removes it.",
)
@click.option(
    "--ttl",
    type=click.IntRange(1, 3600),
    help="Seconds to keep a token; the default fits its life, at most 240.",
)
@click.option(
    "--allow-ca",
    "authorities",
    multiple=True,
    metavar="FILE",
    help="Allow these certificates of NODE_EXTRA_CA_CERTS or SSL_CERT_FILE.",
)
@click.option("--active", is_flag=True, help="Ask for what credward use chose, not for a NAME.")
@click.option(
    "--allow-proxy", "proxies", multiple=True, metavar="URL", help="Allow this HTTPS_PROXY."
)
@click.option("--dry-run", is_flag=True, help="Show the change and stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--replace", is_flag=True, help="Replace a helper that is not ours.")
@click.option("--undo", is_flag=True, help="Restore everything.")
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
def claude_code_command(name: str, **words: Any) -> None:
    """Make Claude Code ask the native helper for the credential NAME.

    Sets apiKeyHelper, its cache time and, if the credential has one, the base URL. Everything else
    in the file stays the same; the old file is kept as a backup until --undo.

    A proxy or further certificates in your environment could read the tokens of a credential with a
    base URL: you are asked once, and what you allow goes into its configuration.
    """
    options = Options(**words)
    if options.level == "managed" and options.file is None:
        _print_managed(name, options)
        return
    files = claude_code.settings_paths(environment(), Path.cwd())
    target = target_of(options, files)
    try:
        if options.undo:
            plan, allowing = plan_undo(target, record_of(target)), None
        else:
            credential = credential_for(name, active=options.active)
            name = credential.name
            plan = plan_set_up(
                target,
                credential,
                options,
                shared=is_shared(target, files),
                earlier=record_of(target),
            )
            allowing = _allowing(credential, options, plan, files["user"])
    except UnreadableError as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION, f'"{target}" {error}: correct it, nothing was changed'
        ) from error
    notes = list(replacing_notes(plan))
    if not options.undo and is_shared(target, files):
        notes += shared_notes(target, name)
    if options.active and not options.undo:
        notes += active_notes()
    told = _change(plan, allowing, options, notes)
    if options.as_json:
        print_json(told)
    elif not (options.undo or options.dry_run):
        from credward.cli.doctor.examine import report_on
        from credward.cli.doctor.finding import Known

        sys.exit(report_on(Known(name=name, settings=target)))


def _allowing(
    credential: CredentialConfig, options: Options, plan: Plan, users_file: Path
) -> Allowing | None:
    """Return what the configuration is to allow: by options, or once asked."""
    words = words_for(options.authorities, options.proxies)
    if not (options.yes or options.dry_run or options.as_json):
        chosen = {
            change.path[1]: change.after for change in plan.changes or [] if change.path[0] == "env"
        }
        own = claude_code.settings_environment({"user": users_file})
        words += ask_about(credential, {**environment(), **own, **chosen}, words)
    return plan_allowing(credential, words)


def _change(
    plan: Plan, allowing: Allowing | None, options: Options, notes: list[str]
) -> dict[str, Any]:
    """Show, confirm and carry out what is planned; return the facts for programs."""
    diffs = [plan.diff(), *([allowing.diff()] if allowing else [])]
    backup, lines = None, []
    if not options.as_json:
        _show(plan, diffs, notes)
    if options.dry_run:
        lines = ["dry run: nothing was changed"]
    else:
        targets = [*([plan.target] if plan.changed else []), *([allowing.file] if allowing else [])]
        if targets:
            _confirm(" and ".join(map(str, targets)), options)
        if allowing is not None:
            lines.append(allowing.carry_out())
        backup = _carry_out(plan)
        if not options.undo:
            record_places()
        lines += _done(plan, backup)
    if not options.as_json:
        click.echo("\n".join(lines))
    return {
        "file": str(plan.target),
        "changed": plan.changed,
        "backup": str(backup) if backup else None,
        "diff": "\n".join(diffs),
        "allowed": list(allowing.words) if allowing else [],
    }


def _show(plan: Plan, diffs: list[str], notes: list[str]) -> None:
    if plan.changed:
        for note in notes:
            say(note, err=False)
    for diff in filter(None, diffs):
        click.echo(diff)


def _confirm(targets: str, options: Options) -> None:
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{targets}" was not changed without your yes: run this again with --yes',
        )
    click.confirm(f"Change {targets}?", abort=True)


def _carry_out(plan: Plan) -> Path | None:
    """Write the file, remember what we did to it, and return its backup."""
    memory = memory_of_claude_code()
    records, key, backup = memory.load(), str(plan.target), None
    record = plan.earlier
    if plan.changes is None:
        records.pop(key, None)
    elif record is not None:
        # Also if nothing changes: the record may have been lost.
        records.setdefault(key, record)
    if plan.whole and record is not None:
        settings_file.put_back(plan.target, plan.after, record, records)
    elif plan.changed and plan.after is not None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        replaced = settings_file.replace(plan.target, plan.after, stamp=stamp)
        backup = replaced.backup
        if plan.changes is not None:
            records[key] = Record.of(record, plan.before, plan.after, plan.changes, replaced)
    if plan.changes is None or plan.changed or record is not None:
        memory.save(records)
    return backup


def _done(plan: Plan, backup: Path | None) -> Iterator[str]:
    if plan.changes is None:
        for note in notes_about(load()):
            yield f"{note}: credward setup --undo --all --put-back puts it back"
    if not plan.changed:
        yield f"{plan.target}: nothing to do"
    elif plan.whole:
        yield f"{plan.target}: {restored(plan.after)}"
    else:
        yield f"{plan.target}: changed" + (f", the old one is {backup}" if backup else "")
        if plan.changes is None and plan.earlier is not None:
            yield from left_lines(plan.earlier)
        else:
            yield "note: with a helper Claude Code bills its API, not a subscription"


def _print_managed(name: str, options: Options) -> None:
    """Print the settings for an administrator; nothing is changed."""
    target = claude_code.managed_path()
    if options.undo:
        raise BrokerError(
            Kind.BAD_REQUEST, f"credward writes no managed settings: to undo them, remove {target}"
        )
    credential = credential_for(name, active=options.active)
    variables = chosen_variables(options.variables, "", None)
    text = ""
    members = members_for(credential, options, shared=False, variables=variables)
    for path, value in members.items():
        text = set_member(text, path, value)
    if options.as_json:
        print_json({"file": str(target), "settings": json.loads(text)})
        return
    click.echo(text, nl=False)
    click.echo(
        f"nothing was changed: an administrator puts this into {target}, readable for all; each "
        f'user needs a credential named "{credential.name}", and the helper at that path',
        err=True,
    )
