"""`credward start`, and how commands reach the daemon.

`starting` does both, and refuses to start one in some places.
"""

from __future__ import annotations

import sys

import click

from credward.starting.reach import client_of, paths, reach

__all__ = ["client_of", "command", "paths", "reach"]


@click.command(
    "start",
    hidden=True,
    short_help="Start the daemon if it is not running.",
    epilog="Example: credward start",
)
def command() -> None:
    """Print the socket of the daemon of this account; start it first if it is not running.

    The helper runs this. Home, directories and session bus come from the account, not from the
    environment.
    """
    from credward.starting.main import main

    sys.exit(main())
