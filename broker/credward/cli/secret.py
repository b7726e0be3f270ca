"""`credward secret`: what configuration refers to by `{ store = "NAME" }`."""

from __future__ import annotations

import sys

import click

from credward.cli.names import complete_secrets
from credward.cli.output import print_json, warn_of_disk
from credward.cli.standard_input import read_text
from credward.cli.start import reach
from credward.errors import BrokerError, Kind

__all__ = ["command"]

_LONGEST = 32 * 1024


@click.group(
    "secret",
    short_help="Keep secrets in the sealed store.",
    epilog="Example: credward secret set gateway-key",
)
def command() -> None:
    """Keep secrets in the sealed store, for settings such as secret = { store = "NAME" }."""


@command.command(
    "set",
    short_help="Store a value: typed without echo, or from a pipe.",
    epilog="Example: op read op://work/gateway/key | credward secret set key",
)
@click.argument("name", shell_complete=complete_secrets)
def set_secret(name: str) -> None:
    """Store a value under NAME: typed without echo, or read from standard input."""
    if sys.stdin.isatty():
        value = click.prompt(f"value of {name}", hide_input=True, err=True)
    else:
        value = read_text(_LONGEST + 2)
        # The line end of `echo` is no part of it.
        value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise BrokerError(
            Kind.BAD_REQUEST, f"nothing came: pipe the value into credward secret set {name}"
        )
    kept = reach(start=True, timeout=10.0).secret_set(name, value)
    click.echo(f'stored: refer to it by {{ store = "{name}" }}')
    if not kept.durable:
        click.echo("in memory alone, the store cannot be written: run credward status", err=True)


@command.command("list", epilog="Example: credward secret list --json")
@click.option("--json", "as_json", is_flag=True, help="The names for programs.")
def list_secrets(as_json: bool) -> None:
    """List the names; values are never shown."""
    names = reach(start=True, timeout=10.0).secret_names()
    if as_json:
        print_json(names)
        return
    for name in names.names:
        click.echo(name)


@command.command("rm", epilog="Example: credward secret rm gateway-key")
@click.argument("name", shell_complete=complete_secrets)
def remove_secret(name: str) -> None:
    """Forget the value under NAME."""
    kept = reach(start=True, timeout=10.0).secret_remove(name)
    click.echo(f"removed: {name}")
    if not kept.durable:
        warn_of_disk()
