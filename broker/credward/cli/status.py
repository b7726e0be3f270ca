"""`credward status`: what the daemon holds and its state, without any secret."""

from __future__ import annotations

import sys
import time
from collections.abc import Container, Iterator

import click
import msgspec

from credward.cli.names import complete_credentials
from credward.cli.output import format_duration, print_json, print_table
from credward.cli.start import reach
from credward.client import Client
from credward.errors import BrokerError, Kind
from credward.wire import CredentialStatus, GrantStatus, StatusList

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
    "rejected": "red",
    "ambiguous": "yellow",
    "locked": "red",
}
_GRANT_HEADER = ("GRANT", "STATE", "ACCOUNT", "SINCE", "ENDS", "CREDENTIALS")
_GRANT_COLOURS = {
    "valid": "green",
    "needs-login": "red",
    "ambiguous": "yellow",
    "untried": "yellow",
    "locked": "red",
}


@click.command("status", epilog="Example: credward status --watch")
@click.argument("names", nargs=-1, shell_complete=complete_credentials)
@click.option("--json", "as_json", is_flag=True, help="All details, for programs.")
@click.option("--watch", is_flag=True, help="Redraw every second until stopped.")
@click.option("--check", is_flag=True, help="Print nothing; exit 0 good, 1 failing, 2 will expire.")
def command(names: tuple[str, ...], as_json: bool, watch: bool, check: bool) -> None:
    """Show the credentials (or only NAMES) and their state.

    Below the table is one line for each problem, with the command that helps.
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
    """Return 0 if all is well, 1 if a request would fail now, 2 if it will after the token ends."""
    if status.state in {"expired", "parked", "rejected", "locked"} or (
        status.failure and status.expires_at is None
    ):
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
    """Write the table, and below it the problems."""
    if not listed.credentials:
        click.echo("no credential is configured: run credward add NAME --provider PROVIDER")
        return
    doubtful = {each.name for each in listed.grants if each.ambiguous_at is not None}
    rows = [_row(each, listed.now, doubtful) for each in listed.credentials]
    print_table(_HEADER, rows, colour_of=_COLOURS)
    shown = {each.grant for each in listed.credentials}
    if grants := [each for each in listed.grants if each.name in shown]:
        click.echo()
        print_table(
            _GRANT_HEADER,
            [_grant_row(each, listed.now) for each in grants],
            colour_of=_GRANT_COLOURS,
        )
        click.echo()
    for line in _lines(listed):
        click.echo(line)
    for warning in listed.warnings:
        click.echo(f"warning: {warning}")
    if not listed.locked and listed.store and listed.store != "not opened":
        click.echo(f"store: {listed.store}")
    if listed.attestation.startswith("degraded"):
        click.echo(f"attestation: {listed.attestation}")


def _lines(listed: StatusList) -> Iterator[str]:
    """Yield the problems, each once even if several credentials share the grant."""
    if listed.locked:
        yield "the store is locked: run credward unlock"
    told = set()
    shown = {each.grant for each in listed.credentials}
    for each in listed.credentials:
        if each.failure is not None and each.failure.message not in told:
            told.add(each.failure.message)
            again = f". Next try in {_in(each.refresh_at, listed.now)}" if each.refresh_at else ""
            yield f"{each.failure.message}{again}"
    for grant in listed.grants:
        if grant.name in shown and grant.ambiguous_at is not None:
            names = ", ".join(grant.credentials)
            since = format_duration(listed.now - grant.ambiguous_at)
            yield (f"{names}: its last renewal, {since} ago, may or may not have worked; retrying")


def _row(status: CredentialStatus, now: float, doubtful: Container[str]) -> tuple[str, ...]:
    ambiguous = status.grant in doubtful and status.state != "parked"
    unending = status.token_id is not None and status.expires_at is None
    return (
        status.name,
        status.provider,
        "ambiguous" if ambiguous else status.state,
        "never" if unending else _in(status.expires_at, now),
        _in(status.refresh_at, now),
        _in(status.login_ends_at, now),
        status.last_asked_by or "-",
    )


def _grant_row(grant: GrantStatus, now: float) -> tuple[str, ...]:
    since = grant.parked_at or grant.ambiguous_at or grant.given_at
    return (
        grant.name,
        grant.state or "-",
        grant.account or "-",
        "-" if since is None else f"{format_duration(now - since)} ago",
        _in(grant.ends_at, now),
        ", ".join(grant.credentials),
    )


def _in(at: float | None, now: float) -> str:
    return "-" if at is None else format_duration(at - now)
