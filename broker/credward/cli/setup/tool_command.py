"""`credward setup TOOL`: one command for each tool, alike but for the tool's own options."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from credward.cli.names import complete_credentials
from credward.cli.output import print_json
from credward.cli.setup.carrying_out import How, change
from credward.cli.setup.file_plan import Plan, plan_wish
from credward.cli.setup.record import memory_of_set_ups
from credward.cli.setup.tool import SetUpOf, Tool, Wanted
from credward.cli.setup.undo import plans_to_undo
from credward.cli.start import paths
from credward.config import environment, load_config
from credward.errors import BrokerError, Kind
from credward.issuing.asking import DEFAULT_NAME, find_credential

__all__ = ["command_for", "plans_for"]

_OWN_OPTIONS = {
    "profile": click.Option(
        ["--profile"], help="The profile to add; the default is credward-NAME."
    ),
    "region": click.Option(["--region"], help="Its region; the default is the credential's."),
    "pool": click.Option(
        ["--pool"],
        metavar="PROVIDER",
        help="The provider of a workload identity pool that takes the token.",
    ),
    "service_account": click.Option(
        ["--service-account"], metavar="EMAIL", help="With --pool: whom to impersonate."
    ),
    "shell_file": click.Option(
        ["--shell-file"],
        type=click.Path(path_type=Path),
        help="Another file than your shell reads by itself.",
    ),
}
_IN_NEW_SHELLS = "note: shells that you open from now on have it; programs without a shell do not"


def command_for(tool: Tool) -> click.Command:
    """Return the command that sets *tool* up, and undoes that."""

    def run(name: str, undo: bool, dry_run: bool, yes: bool, as_json: bool, **own: Any) -> None:
        how = How(dry_run=dry_run, yes=yes, as_json=as_json)
        if undo:
            told = _undo(tool, name, how)
        else:
            name = find_credential(load_config(paths()), name).name
            told = _set_up(tool, name, how, own)
        if as_json:
            print_json(told)
        elif not (undo or dry_run):
            _examine(name)

    summary, _, _ = tool.about.partition("\n")
    return click.Command(
        tool.name,
        callback=run,
        help=tool.about,
        short_help=summary.replace("the credential NAME", "credward"),
        epilog=f"Example: {tool.example}\n\nExample: credward setup {tool.name} --undo",
        params=[
            click.Argument(["name"], default=DEFAULT_NAME, shell_complete=complete_credentials),
            *(_OWN_OPTIONS[each] for each in tool.options),
            click.Option(["--dry-run"], is_flag=True, help="Show the change and stop."),
            click.Option(["--yes"], is_flag=True, help="Do not ask."),
            click.Option(["--undo"], is_flag=True, help="Restore everything, or what NAME has."),
            click.Option(["--json", "as_json"], is_flag=True, help="The result for programs."),
        ],
    )


def _set_up(tool: Tool, name: str, how: How, own: dict[str, Any]) -> dict[str, Any]:
    config = load_config(paths())
    credential = find_credential(config, name)
    wanted = Wanted(
        config=config,
        credential=credential,
        environ=environment(),
        owner=tool.owner(credential.name),
        **own,
    )
    found = tool.plan(wanted)
    in_shell = any(each.kind == "shell" for each in found.wishes)
    return change(
        plans_for(tool, found, wanted),
        how,
        notes=tool.rivals(wanted.environ),
        last=[*found.last, *([_IN_NEW_SHELLS] if in_shell else [])],
    )


def plans_for(tool: Tool, found: SetUpOf, wanted: Wanted) -> list[Plan]:
    """Return what is done for *tool*, and what takes it out of files that it was in before."""
    records = memory_of_set_ups().load()
    targets = {str(each.target) for each in found.wishes}
    gone = plans_to_undo(
        lambda path, each: path not in targets and each.owner.same(wanted.owner), tool=tool.name
    )
    return [*(plan_wish(each, records.get(str(each.target))) for each in found.wishes), *gone]


def _undo(tool: Tool, name: str, how: How) -> dict[str, Any]:
    plans: Sequence[Plan] = plans_to_undo(
        lambda _, each: name in {DEFAULT_NAME, each.owner.credential}, tool=tool.name
    )
    if not plans:
        whose = "" if name == DEFAULT_NAME else f' for "{name}"'
        raise BrokerError(
            Kind.BAD_REQUEST, f"{tool.name} was not set up by credward{whose}: nothing to undo"
        )
    return change(plans, how)


def _examine(name: str) -> None:
    from credward.cli.doctor.examine import report_on
    from credward.cli.doctor.finding import Known

    sys.exit(report_on(Known(name=name)))
