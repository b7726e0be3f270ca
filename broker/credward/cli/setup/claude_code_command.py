"""`credward setup claude-code`: the settings that lead it to the service of a credential.

`planning` decides on the change, `carrying_out` shows and makes it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from credward.cli.names import complete_credentials
from credward.cli.output import print_json
from credward.cli.setup import claude_code
from credward.cli.setup.allowing import Allowing, ask_about, plan_allowing, words_for
from credward.cli.setup.carrying_out import change
from credward.cli.setup.clashes import check_models, version_notes
from credward.cli.setup.file_plan import plan_undo
from credward.cli.setup.json_text import set_member
from credward.cli.setup.planning import (
    LEVELS,
    Options,
    SetUp,
    active_notes,
    asked_of,
    credential_for,
    is_shared,
    members_for,
    plan_set_up,
    shared_notes,
    target_of,
)
from credward.cli.setup.putting_back import notes_about
from credward.cli.setup.replacing import replacing_notes
from credward.cli.setup.taken_out import load
from credward.cli.setup.undo import plans_to_undo, record_of
from credward.cli.setup.variables import chosen_variables
from credward.cli.setup.ways.choosing import way_to
from credward.config import CredentialConfig, environment
from credward.errors import BrokerError, Kind

__all__ = ["command"]

_BILLING = "note: with a helper Claude Code bills its API, not a subscription"
_ELSEWHERE = (
    "note: VS Code and JetBrains start Claude Code with these settings; the login page of the VS "
    "Code extension and Claude Desktop do not read them"
)


@click.command(
    "claude-code",
    short_help="Make Claude Code ask credward.",
    epilog="Example: credward setup claude-code gateway --dry-run\n\n"
    "Example: credward setup claude-code bedrock --region eu-central-1",
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
@click.option("--managed", "level", flag_value="managed", help="The same as --level managed.")
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
    help="A variable to set and keep; K= removes it.",
)
@click.option(
    "--with",
    "door",
    type=click.Choice(["helper", "aws-container", "azure-imds"]),
    help="How a cloud's tokens get there.",
)
@click.option(
    "--pass-through",
    type=click.Choice(["bedrock", "vertex"]),
    help="Use this protocol of a LiteLLM gateway.",
)
@click.option("--region", help="Instead of the credential's region.")
@click.option("--project", help="Instead of the credential's project.")
@click.option("--base-url", metavar="URL", help="Another address of the cloud's service.")
@click.option("--model", help="The same as --env ANTHROPIC_MODEL=….")
@click.option("--small-model", metavar="MODEL", help="ANTHROPIC_DEFAULT_HAIKU_MODEL.")
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
def command(name: str, **words: Any) -> None:
    """Lead Claude Code to the service of the credential NAME, with fresh tokens.

    For a gateway by apiKeyHelper, its cache time and the base URL; for a cloud by its variables.
    Everything else in the file stays the same; the old file is a backup until --undo.

    A proxy or further certificates in your environment could read the tokens of a credential with a
    base URL: you are asked once, and what you allow goes into its configuration.
    """
    options = Options(**words)
    if options.level == "managed" and options.file is None:
        _print_managed(name, options)
        return
    files = claude_code.settings_paths(environment(), Path.cwd())
    target = target_of(options, files)
    if options.undo:
        _undo(target, options)
        return
    credential = credential_for(name, active=options.active)
    name = credential.name
    planned = plan_set_up(target, credential, options, files)
    allowing = _allowing(credential, options, planned, files["user"])
    told = change(
        planned.plans,
        options.how,
        notes=_notes(planned, options, name, shared=is_shared(target, files)),
        last=[_BILLING] if planned.way.helper else [_ELSEWHERE],
        allowing=allowing,
    )
    if options.as_json:
        print_json(told)
    elif not options.dry_run:
        from credward.cli.doctor.examine import report_on
        from credward.cli.doctor.finding import Known

        sys.exit(report_on(Known(name=name, settings=target)))


def _notes(planned: SetUp, options: Options, name: str, *, shared: bool) -> Iterator[str]:
    target = planned.plans[0].target
    yield from replacing_notes(planned.plans[0])
    yield from planned.notes
    yield from version_notes(planned.way)
    if shared:
        yield from shared_notes(target, name)
    if options.active:
        yield from active_notes()


def _undo(target: Path, options: Options) -> None:
    """Undo the set-up of this settings file, with what it needed in others."""
    record = record_of(target)
    others = plans_to_undo(lambda _, each: each.owner.key == str(target))
    if record is None and not others:
        raise BrokerError(
            Kind.BAD_REQUEST, f'"{target}" was not changed by credward: nothing to undo'
        )
    own = [] if record is None else [plan_undo(target, record)]
    notes = [
        f"{each}: credward setup --undo --all --put-back puts it back"
        for each in notes_about(load())
    ]
    told = change([*own, *others], options.how, notes=notes)
    if options.as_json:
        print_json(told)


def _allowing(
    credential: CredentialConfig, options: Options, planned: SetUp, users_file: Path
) -> Allowing | None:
    """Return what the configuration is to allow: by options, or once asked."""
    words = words_for(options.authorities, options.proxies)
    if not (options.yes or options.dry_run or options.as_json) and planned.way.helper:
        changes = planned.plans[0].changes or []
        chosen = {each.path[1]: each.after for each in changes if each.path[0] == "env"}
        own = claude_code.settings_environment({"user": users_file})
        words += ask_about(credential, {**environment(), **own, **chosen}, words)
    return plan_allowing(credential, words)


def _print_managed(name: str, options: Options) -> None:
    """Print the settings for an administrator; nothing is changed."""
    target = claude_code.managed_path()
    if options.undo:
        raise BrokerError(
            Kind.BAD_REQUEST, f"credward writes no managed settings: to undo them, remove {target}"
        )
    credential = credential_for(name, active=options.active)
    variables = chosen_variables([*options.variables, *options.models], "", None)
    text = ""
    asked = asked_of(credential, options, target, None)
    way = way_to(asked)
    check_models(variables, way.variables)
    members = members_for(asked, way, options, shared=False, variables=variables)
    for path, value in members.items():
        text = set_member(text, path, value)
    if options.as_json:
        print_json({"file": str(target), "settings": json.loads(text)})
        return
    click.echo(text, nl=False)
    needs = [f'a credential named "{credential.name}"', "the helper at that path"]
    if way.files:
        needs.append(f"the profile of credward setup aws {credential.name}")
    elif not way.helper:
        needs.append("the same endpoint or sink in the configuration")
    click.echo(
        f"nothing was changed: an administrator puts this into {target}, readable for all; each "
        f"user needs {', '.join(needs[:-1])}, and {needs[-1]}",
        err=True,
    )
