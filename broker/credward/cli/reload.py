"""`credward reload`: let the daemon read its configuration again."""

from __future__ import annotations

import click

from credward.cli.output import print_json
from credward.cli.start import reach
from credward.errors import BrokerError, Kind

__all__ = ["command"]


@click.command(
    "reload",
    short_help="Let the daemon read its configuration again.",
    epilog="Example: credward reload",
)
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
def command(as_json: bool) -> None:
    """Validate the configuration and policy files, then use them; on an error the old ones stay."""
    try:
        result = reach().reload()
    except BrokerError as error:
        if error.kind is Kind.FIX_CONFIGURATION:
            click.echo("nothing was changed, the old configuration stays", err=True)
        raise
    if as_json:
        print_json(result)
        return
    click.echo(f"in force: {', '.join(result.credentials) or 'no credential'}")
    for warning in result.warnings:
        click.echo(f"warning: {warning}")
