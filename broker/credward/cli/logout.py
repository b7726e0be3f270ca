"""`credward logout`: forget a grant."""

from __future__ import annotations

import click

from credward.cli.names import complete_grants
from credward.cli.output import print_json, warn_of_disk
from credward.cli.start import reach

__all__ = ["command"]


@click.command(
    "logout",
    short_help="Revoke a grant upstream if possible, and forget it.",
    epilog="Example: credward logout gateway",
)
@click.argument("name", shell_complete=complete_grants)
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
def command(name: str, as_json: bool) -> None:
    """Forget the grant behind NAME, and revoke it upstream if possible.

    Every credential on it then needs a new login.
    """
    dropped = reach(start=True, timeout=10.0).logout(name)
    if as_json:
        print_json(dropped)
        return
    names = ", ".join(dropped.credentials)
    done = "logged out" if dropped.held else "there was no login"
    click.echo(f"{done}: {names}" + (", revoked upstream" if dropped.revoked else ""))
    if not dropped.durable:
        warn_of_disk()
    if dropped.message:
        click.echo(f"not revoked upstream: {dropped.message}", err=True)
