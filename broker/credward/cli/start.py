"""Reach the daemon from the command line, and `credward start`, which starts it.

`starting` starts it, and refuses to in some places.
"""

from __future__ import annotations

import sys

import click

from credward.client import Client
from credward.clock import SystemClock
from credward.errors import BrokerError, Failure, Kind
from credward.paths import Paths, environment, find_paths
from credward.remote import named_endpoint

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


def paths() -> Paths:
    """Return this user's directories."""
    return find_paths(environment())


def client_of(found: Paths, timeout: float) -> Client:
    """Return a client of the daemon in these directories."""
    from credward.starting.refusal import forbidding_variable

    environ = environment()
    return Client(
        found.sockets,
        timeout,
        named=found.socket_named,
        endpoint=named_endpoint(environ),
        forbidding=forbidding_variable(environ),
    )


def reach(*, start: bool = False, timeout: float = 10.0) -> Client:
    """Return a client; with *start* a daemon that is not running is started first.

    *timeout* limits each request (seconds). Raises `not-running` if nothing is configured.
    """
    from credward.starting.refusal import start_is_wanted

    found = paths()
    client = client_of(found, timeout)
    if not start_is_wanted(environment()) or (found.is_configured and not start):
        return client
    try:
        client.health()
    except BrokerError as error:
        # The user may have their own daemon even if a machine's daemon does not serve them.
        if error.kind not in {Kind.NOT_RUNNING, Kind.DENIED}:
            raise
        failure = error.failure
    else:
        return client
    if start:
        return _started(failure, timeout)
    if failure.kind is Kind.DENIED:
        raise failure.error()
    raise BrokerError(Kind.NOT_RUNNING, "nothing is configured yet: run credward add")


def _started(failure: Failure, timeout: float) -> Client:
    """Start the daemon and return a client of it; *failure*: why there was none."""
    from credward.account import find_account
    from credward.starting.start import start_daemon

    clock = SystemClock()
    try:
        path = start_daemon(find_account(), clock, began=clock.elapsed(), caller=environment())
    except BrokerError as error:
        if error.kind is Kind.NOT_RUNNING and failure.kind is Kind.DENIED:
            raise failure.error() from error
        raise
    return Client([path], timeout)
