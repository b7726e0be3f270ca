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

_STAYS = (
    "until then the login stays valid, and if the passphrase is lost, only its server can end it"
)


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
    if everything and name is not None:
        raise click.UsageError("--all takes no NAME")
    if not everything and name is None:
        raise _unnamed()
    if everything and not yes and sys.stdin.isatty():
        click.confirm("forget every login and every token of every agent?", abort=True, err=True)
    client = reach(start=True, timeout=15.0)
    try:
        result = client.revoke_all() if name is None else Dropped(grants=[client.logout(name)])
    except BrokerError as error:
        if error.kind is not Kind.STORE_LOCKED:
            raise
        from credward.cli.explaining import with_more

        # Whoever takes credward away after this would leave a login that nobody can end here.
        raise with_more(error, _STAYS) from error
    if as_json:
        print_json(result)
    else:
        _print(result.grants)
    if revoke and any(each.held and not each.revoked for each in result.grants):
        raise BrokerError(
            Kind.PROVIDER_REFUSED,
            "not revoked upstream: end the session at the provider, too",
        )


def _unnamed() -> BrokerError:
    """Return what to type; no login is forgotten by mistake, not even the only one."""
    try:
        grants = reach(start=True).statuses().grants
    except BrokerError as error:
        return error
    # A credential of a login means more to people than the login's name.
    names = [each.credentials[0] if each.credentials else each.name for each in grants]
    if len(names) == 1:
        text = f"name the login to forget: run credward logout {names[0]}"
    elif names:
        text = f"name one of {', '.join(names)}, or use --all: run credward logout NAME"
    else:
        text = "no credential has a login, so there is nothing to forget: run credward status"
    return BrokerError(Kind.BAD_REQUEST, text)


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
