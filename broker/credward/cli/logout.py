"""`credward logout`: forget a login and revoke it; `--all` is the panic button."""

from __future__ import annotations

import sys

import click

from credward.cli.names import complete_grants
from credward.cli.output import plain, print_json, warn_of_disk
from credward.cli.start import reach
from credward.errors import BrokerError, Kind
from credward.wire import Dropped, GrantDropped

__all__ = ["command"]


@click.command(
    "logout",
    short_help="Forget a login, and revoke it; --all: every one.",
    epilog="Example: credward logout gateway\n\nExample: credward logout --all --yes",
)
@click.argument("name", required=False, shell_complete=complete_grants)
@click.option("--revoke", is_flag=True, help="Fail if it could not be revoked upstream.")
@click.option(
    "--all", "everything", is_flag=True, help="The panic button: every login and every token."
)
@click.option("--yes", is_flag=True, help="Do not ask again before --all.")
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
def command(name: str | None, revoke: bool, everything: bool, yes: bool, as_json: bool) -> None:
    """Forget the login behind NAME and its tokens, and revoke it upstream if possible.

    Every credential on it then needs a new login. NAME may be a login that no credential uses any
    more: credward status shows it.
    """
    if everything == (name is not None):
        raise BrokerError(
            Kind.BAD_REQUEST, "name a credential, or use --all: run credward logout --help"
        )
    if everything and not yes and sys.stdin.isatty():
        click.confirm("forget every login and every token of every agent?", abort=True, err=True)
    client = reach(start=True, timeout=15.0)
    result = client.revoke_all() if name is None else Dropped(grants=[client.logout(name)])
    if as_json:
        print_json(result)
    else:
        _print(result.grants)
    if revoke and any(each.held and not each.revoked for each in result.grants):
        raise BrokerError(
            Kind.PROVIDER_REFUSED,
            "not revoked upstream: end the session at the provider, too",
        )


def _print(grants: list[GrantDropped]) -> None:
    for each in grants:
        done = "logged out" if each.held else "there was no login"
        click.echo(f"{done}: {_of(each)}" + (", revoked upstream" if each.revoked else ""))
        if each.message:
            click.echo(f"  not revoked upstream: {each.message}", err=True)
    if not all(each.durable for each in grants):
        warn_of_disk()
    if not grants:
        click.echo("there was no login; every token was dropped")


def _of(dropped: GrantDropped) -> str:
    if dropped.credentials:
        return ", ".join(dropped.credentials)
    whose = "" if dropped.account is None else f" of {plain(dropped.account)}"
    return f"{dropped.grant}{whose} (no credential used it)"
