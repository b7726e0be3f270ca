"""`credward doctor`: what is wrong, and what to type."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from credward.cli.doctor.examine import diagnose, print_report, report_on
from credward.cli.doctor.finding import Finding, Known
from credward.cli.names import complete_credentials
from credward.errors import BrokerError, Kind

__all__ = ["command"]


@click.command(
    "doctor",
    short_help="Show what is wrong, and what to type.",
    epilog="Example: credward doctor gateway --fix\n\nExample: credward doctor gateway --live",
)
@click.argument("name", default="-", shell_complete=complete_credentials)
@click.option(
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False),
    help="One more settings file, as for claude --settings.",
)
@click.option("--live", is_flag=True, help="Also send one request of one token to the service.")
@click.option("--model", help="With --live: the model to ask for.")
@click.option("--fix", is_flag=True, help="Run those of the commands that lose nothing.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask before settings are changed.")
@click.option("--json", "as_json", is_flag=True, help="The findings for programs.")
def command(
    name: str,
    settings: Path | None,
    live: bool,
    model: str | None,
    fix: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Check every link from the configuration to the agent, in this folder and this shell.

    Runs the helper as Claude Code does, but only if the line in its settings is a plain call of the
    helper. The token itself is never shown. Exits with the code of the first broken link.
    """
    if yes and not fix:
        raise BrokerError(Kind.BAD_REQUEST, "--yes goes with --fix: run credward doctor --help")
    settings = settings.expanduser().absolute() if settings is not None else None
    if model and not live:
        raise BrokerError(Kind.BAD_REQUEST, "--model goes with --live: run credward doctor --help")

    def known() -> Known:
        return Known(name=name, settings=settings, live=live, model=model)

    if not fix:
        sys.exit(report_on(known(), as_json=as_json))
    from credward.cli.doctor.examine import print_finding
    from credward.cli.doctor.fixing import fix_all

    def told(finding: Finding) -> None:
        if not as_json:
            print_finding(finding)

    before = diagnose(known(), told=told)
    fixed = fix_all(before, yes=yes, quiet=as_json)
    if not fixed:
        if before.exit_code and not as_json:
            click.echo("nothing here can be fixed without you: type what the lines say")
        after = before
    elif fixed[-1].examined and settings is None:
        # Set-up has just printed the findings.
        sys.exit(fixed[-1].exit_code)
    else:
        if not as_json:
            click.echo("\nchecked again:")
        after = diagnose(known(), told=told)
    if as_json:
        print_report(after, fixed)
    sys.exit(after.exit_code)
