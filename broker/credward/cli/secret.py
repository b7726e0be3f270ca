"""`credward secret`: secrets that the configuration names with `{ store = "NAME" }`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from credward.cli.hidden_prompt import hidden_prompt
from credward.cli.names import complete_secrets
from credward.cli.output import print_json, print_table, warn_of_disk
from credward.cli.setup.putting_back import (
    must_decide,
    put_back_options,
    taken_for,
    wanted,
)
from credward.cli.setup.putting_back import put_back as put_keys_back
from credward.cli.setup.taken_out import forget
from credward.cli.standard_input import read_text
from credward.cli.start import reach
from credward.cli.word_group import WordGroup
from credward.errors import BrokerError, Kind
from credward.wire import SecretUse

__all__ = ["command"]

_LONGEST = 32 * 1024
_HEADER = ("NAME", "BOUND-TO")


@click.group(
    "secret",
    cls=WordGroup,
    meant={"remove": "rm NAME", "delete": "rm NAME", "add": "set NAME", "ls": "list"},
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
        value = hidden_prompt(f"value of {name}")
    else:
        value = read_text(_LONGEST + 2)
        # The line end from `echo` is not part of it.
        value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise BrokerError(
            Kind.BAD_REQUEST, f"the input is empty: pipe the value into credward secret set {name}"
        )
    client = reach(start=True, timeout=10.0)
    kept = client.secret_set(name, value)
    # The new value never stood in that file.
    taken = forget(name)
    click.echo(f"stored: {_use_of(name, kept.used_by)}")
    if taken is not None:
        click.echo(f"it replaces the key taken out of {taken.place}, which cannot go back now")
    if not kept.durable:
        click.echo("only in memory, the store cannot be written: run credward status", err=True)


@command.command(
    "list",
    short_help="List the names, and what each is bound to.",
    epilog="Example: credward secret list --json",
)
@click.option("--json", "as_json", is_flag=True, help="The same for programs.")
def list_secrets(as_json: bool) -> None:
    """List the names and what each secret is bound to; values are never shown."""
    found = reach(start=True, timeout=10.0).secret_names()
    if as_json:
        print_json(found)
    elif found.secrets:
        print_table(_HEADER, [(each.name, _bound_to(each.uses)) for each in found.secrets])
        for each in found.secrets:
            if not each.used:
                click.echo(
                    f'"{each.name}" is used by no credential: '
                    f"run credward secret rm {each.name} to forget it"
                )
    else:
        click.echo("no secrets yet: run credward secret set NAME", err=True)


@command.command(
    "allow",
    short_help="Allow a secret for its use in the current configuration.",
    epilog="Example: credward secret allow gateway-key",
)
@click.argument("name", shell_complete=complete_secrets)
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
def allow_secret(name: str, as_json: bool) -> None:
    """Allow the secret NAME for everything that the current configuration uses it for.

    A secret is bound to the credential, the hosts and the server of its first use.
    """
    allowed = reach(start=True, timeout=10.0).secret_allow(name)
    if as_json:
        print_json(allowed)
    else:
        click.echo(f"allowed: {name} for {_bound_to(allowed.uses)}")
    if not allowed.durable:
        click.echo("only in memory, the store cannot be written: run credward status", err=True)


def _use_of(name: str, users: Sequence[str]) -> str:
    """Return for what a new value is used, or how."""
    if not users:
        return f'use it as {{ store = "{name}" }}'
    return f"{' and '.join(users)} {'uses' if len(users) == 1 else 'use'} it from now on"


def _bound_to(uses: Sequence[SecretUse] | None) -> str:
    if uses is None:
        return "nothing, it was not used yet"
    return ", ".join(
        f"{each.credential} ({' '.join(each.base_urls) or 'any host'})" for each in uses
    )


@command.command(
    "rm", short_help="Forget one.", epilog="Example: credward secret rm gateway-key --put-back"
)
@click.argument("name", shell_complete=complete_secrets)
@put_back_options
def remove_secret(name: str, put_back: bool | None, although_changed: bool) -> None:
    """Forget the value under NAME; a key that add took out of a file is put back, if you say so."""
    taken = taken_for([name])
    may_ask = sys.stdin.isatty()
    if taken and put_back is None and not may_ask:
        raise must_decide(taken, name)
    back = wanted(taken, put_back)
    client = reach(start=True, timeout=10.0)
    lines = put_keys_back(client, back, although_changed=although_changed, may_ask=may_ask)
    for line in lines:
        click.echo(line)
    kept = client.secret_remove(name)
    forget(name)
    click.echo(f"removed: {name}")
    if not kept.durable:
        warn_of_disk()
