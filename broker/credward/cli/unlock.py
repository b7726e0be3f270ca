"""`credward unlock`: open the store again."""

from __future__ import annotations

import click

from credward.cli.lock import read_passphrase
from credward.cli.start import reach
from credward.errors import BrokerError, Kind

__all__ = ["command"]


@click.command("unlock", short_help="Open the store again.", epilog="Example: credward unlock")
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase from standard input.")
def command(passphrase_stdin: bool) -> None:
    """Open the store, after `credward lock` or a start without its key.

    After each wrong passphrase the answer takes longer, up to ten seconds.
    """
    client = reach(start=True, timeout=10.0)
    locked = client.statuses().locked
    try:
        # Not every locked store has a passphrase, and not every store that is not open yet.
        client.unlock(None)
    except BrokerError as failure:
        if not locked or failure.kind is not Kind.STORE_LOCKED:
            raise
        client.unlock(read_passphrase(from_stdin=passphrase_stdin, confirm=False))
    click.echo("unlocked")
