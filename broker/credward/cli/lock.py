"""`credward lock`: lock the store until its owner is back."""

from __future__ import annotations

import sys

import click

from credward.cli.hidden_prompt import hidden_prompt
from credward.cli.standard_input import read_text
from credward.cli.start import reach
from credward.client import Client
from credward.errors import BrokerError, Kind

__all__ = ["command", "read_passphrase"]

# NIST SP 800-63B-4, section 3.1.1.2: the least for a password that is not the only factor; the
# other one here is the file.
_SHORT = 8


@click.command(
    "lock",
    short_help="Lock the store: nothing is handed out until unlock.",
    epilog="Example: credward lock",
)
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase from standard input.")
@click.option("--keep", is_flag=True, help="Use the passphrase that the store already has.")
def command(passphrase_stdin: bool, keep: bool) -> None:
    """Lock the store with a passphrase; nothing is handed out until `credward unlock`.

    It stays locked when the daemon restarts.
    """
    client = reach(start=True, timeout=10.0)
    if _is_locked(client):
        click.echo("it is locked already: nothing is handed out until you run credward unlock")
        return
    # Before anybody chooses a passphrase.
    _check_lockable(client)
    passphrase = None if keep else read_passphrase(from_stdin=passphrase_stdin, confirm=True)
    client.lock(passphrase)
    click.echo("locked: nothing is handed out until you run credward unlock")
    if passphrase is not None and len(passphrase) < _SHORT:
        # Locked all the same: that is what its owner wants now.
        click.echo(
            f"warning: a passphrase of less than {_SHORT} characters is soon guessed from a copy "
            "of the store: run credward unlock, then credward lock with a longer one",
            err=True,
        )


def _is_locked(client: Client) -> bool:
    try:
        return client.statuses().locked
    except BrokerError:
        # Not for this caller; whether it may lock is decided there.
        return False


def _check_lockable(client: Client) -> None:
    """Raise if the store cannot be opened now, so that no passphrase can lock it either."""
    try:
        failure = client.statuses().store_failure
    except BrokerError:
        # As above.
        return
    if failure is None:
        return
    try:
        # Perhaps mended meanwhile.
        client.unlock(None)
    except BrokerError as error:
        # Imported late: a lock should be quick.
        from credward.cli.explaining import with_more

        text = "until then it cannot be locked, and credward daemon stop ends what is handed out"
        raise with_more(error, text) from error


def read_passphrase(*, from_stdin: bool, confirm: bool) -> str:
    """Return a passphrase, typed without echo or from a pipe; never from an argument."""
    if from_stdin or not sys.stdin.isatty():
        text = read_text(8192, one_line=True).rstrip("\r\n")
        if not text:
            word = "lock" if confirm else "unlock"
            raise BrokerError(
                Kind.BAD_REQUEST,
                "no passphrase came on standard input, nothing was changed: "
                f"run credward {word} in a terminal, or pipe it into --passphrase-stdin",
            )
        return text
    words = "choose a passphrase for unlock" if confirm else "passphrase"
    return hidden_prompt(words, confirm=confirm)
