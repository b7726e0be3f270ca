"""`credward status`: what the daemon holds and how it fares, without any secret."""

from __future__ import annotations

import sys
import time

import click
import msgspec

from credward.cli.output import format_duration, print_json, print_table
from credward.cli.start import reach
from credward.client import Client
from credward.errors import BrokerError, Kind
from credward.wire import CredentialStatus, StatusList

__all__ = ["command", "draw", "verdict"]

_HEADER = (
    "NAME",
    "PROVIDER",
    "STATE",
    "EXPIRES",
    "NEXT-REFRESH",
    "LOGIN-ENDS",
    "LAST-ASKED-BY",
)
_COLOURS = {
    "fresh": "green",
    "refreshing": "green",
    "minting": "cyan",
    "suspect": "yellow",
    "stale": "yellow",
    "expired": "red",
    "parked": "red",
}


@click.command("status", epilog="Example: credward status --watch")
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Everything that is known, for programs.")
@click.option("--watch", is_flag=True, help="Draw it again every second until stopped.")
@click.option("--check", is_flag=True, help="Say nothing; exit 0 well, 1 failing, 2 will expire.")
def command(names: tuple[str, ...], as_json: bool, watch: bool, check: bool) -> None:
    """Show the credentials (or only NAMES) and their state.

    Below the table stands one line for each that fails, with the command that helps.
    """
    client = reach()
    if check:
        sys.exit(max((verdict(each) for each in _listed(client, names).credentials), default=0))
    if as_json:
        print_json(_listed(client, names))
        return
    while True:
        listed = _listed(client, names)
        if watch and sys.stdout.isatty():
            click.clear()
        draw(listed)
        if not watch:
            return
        time.sleep(1.0)


def verdict(status: CredentialStatus) -> int:
    """Return 0 if all is well, 1 if asking would fail now, 2 if it will once the token ends."""
    if status.state in {"expired", "parked"} or (status.failure and status.expires_at is None):
        return 1
    return 2 if status.failure else 0


def _listed(client: Client, names: tuple[str, ...]) -> StatusList:
    listed = client.statuses()
    if not names:
        return listed
    known = {each.name: each for each in listed.credentials}
    for name in names:
        if name not in known:
            raise BrokerError(
                Kind.UNKNOWN_CREDENTIAL,
                f'"{name}" is not configured: run credward status for the list',
            )
    return msgspec.structs.replace(listed, credentials=[known[name] for name in names])


def draw(listed: StatusList) -> None:
    """Write the table, and below it whatever wants attention."""
    if not listed.credentials:
        click.echo("no credential is configured: run credward add NAME --provider PROVIDER")
        return
    rows = [_row(each, listed.now) for each in listed.credentials]
    print_table(_HEADER, rows, colour_of=_COLOURS)
    for each in listed.credentials:
        if each.failure is not None:
            again = f", tried again in {_in(each.retry_at, listed.now)}" if each.retry_at else ""
            click.echo(f"{each.failure.message}{again}")
    for grant in listed.grants:
        if grant.ambiguous_at is not None:
            click.echo(
                f"grant {grant.name}: its last renewal got no answer, "
                "the same token is tried again by itself"
            )
    for warning in listed.warnings:
        click.echo(f"warning: {warning}")
    if listed.locked:
        click.echo("the store is locked: run credward unlock")
    elif listed.store and listed.store != "not opened":
        click.echo(f"store: {listed.store}")
    if listed.attestation.startswith("degraded"):
        click.echo(f"attestation: {listed.attestation}")


def _row(status: CredentialStatus, now: float) -> tuple[str, ...]:
    unending = status.token_id is not None and status.expires_at is None
    return (
        status.name,
        status.provider,
        status.state,
        "never" if unending else _in(status.expires_at, now),
        _in(status.refresh_at, now),
        _in(status.login_ends_at, now),
        status.last_asked_by or "-",
    )


def _in(at: float | None, now: float) -> str:
    return "-" if at is None else format_duration(at - now)
