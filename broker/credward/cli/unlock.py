"""`credward unlock`: open the store again."""

from __future__ import annotations

import sys

import click

from credward.cli.lock import read_passphrase
from credward.cli.output import plain
from credward.cli.start import reach
from credward.client import Client
from credward.errors import BrokerError, Kind

__all__ = ["command"]

# How often a passphrase is asked for on a terminal.
_TRIES = 3


@click.command("unlock", short_help="Open the store again.", epilog="Example: credward unlock")
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase from standard input.")
def command(passphrase_stdin: bool) -> None:
    """Open the store, after `credward lock` or a start without its key.

    On a terminal you have three tries. After each wrong passphrase the answer takes longer, up to
    ten seconds.
    """
    client = reach(start=True, timeout=10.0)
    locked = client.statuses().locked
    try:
        # Not every locked store has a passphrase, and not every store that is not open yet.
        client.unlock(None)
    except BrokerError as failure:
        if not locked or failure.kind is not Kind.STORE_LOCKED:
            raise
        _unlock(client, from_stdin=passphrase_stdin)
    click.echo("unlocked")


def _unlock(client: Client, *, from_stdin: bool) -> None:
    """Unlock it by a passphrase; on a terminal a wrong one is asked for again.

    Otherwise the next line would be typed into the shell, which keeps it in its history.
    """
    typed = sys.stdin.isatty() and not from_stdin
    for left in reversed(range(_TRIES if typed else 1)):
        try:
            client.unlock(read_passphrase(from_stdin=from_stdin, confirm=False))
        except BrokerError as failure:
            # Policy allowed it a moment ago, so it is the passphrase that is refused.
            if failure.kind is not Kind.DENIED or not left:
                raise
            click.echo(f"{plain(failure.message).partition(':')[0]}, try again", err=True)
        else:
            return
