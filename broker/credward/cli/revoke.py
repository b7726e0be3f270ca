"""`credward revoke`: the panic button."""

from __future__ import annotations

import click

from credward.cli.names import complete_grants
from credward.cli.output import print_json, warn_of_disk
from credward.cli.start import reach
from credward.errors import BrokerError, Kind
from credward.wire import Dropped

__all__ = ["command"]


@click.command(
    "revoke",
    short_help="The panic button: revoke a grant, or all of them.",
    epilog="Example: credward revoke --all",
)
@click.argument("name", required=False, shell_complete=complete_grants)
@click.option("--all", "everything", is_flag=True, help="Every grant and every token.")
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
def command(name: str | None, everything: bool, as_json: bool) -> None:
    """Revoke the grant behind NAME upstream and drop it with its tokens; with --all, every one."""
    if everything == (name is not None):
        raise BrokerError(
            Kind.BAD_REQUEST, "name a credential, or use --all: run credward revoke --help"
        )
    client = reach(start=True, timeout=15.0)
    result = client.revoke_all() if name is None else Dropped(grants=[client.logout(name)])
    if as_json:
        print_json(result)
        return
    for each in result.grants:
        dropped = "dropped" if each.held else "there was no login"
        outcome = "revoked" if each.revoked else dropped
        click.echo(f"{outcome}: {', '.join(each.credentials)}")
        if each.message:
            click.echo(f"  not revoked upstream: {each.message}", err=True)
    if not all(each.durable for each in result.grants):
        warn_of_disk()
    if not result.grants:
        click.echo("there was no grant; every token was dropped")
