"""Reach the daemon from the command line, and `credward start`, which has it started.

How it is started, and where that is refused, is `starting`.
"""

from __future__ import annotations

import sys

import click

from credward.client import Client
from credward.clock import SystemClock
from credward.errors import BrokerError, Failure, Kind
from credward.paths import Paths, environment, find_paths

__all__ = ["client_of", "command", "paths", "reach"]


@click.command(
    "start",
    hidden=True,
    short_help="Start the daemon where it does not run.",
    epilog="Example: credward start",
)
def command() -> None:
    """Print the socket of the daemon of this account; start it first where it does not run.

    What the helper runs. Home, places and session bus are those of the account, not of the
    environment.
    """
    from credward.starting.main import main

    sys.exit(main())


def paths() -> Paths:
    """Return this user's places."""
    return find_paths(environment())


def client_of(found: Paths, timeout: float) -> Client:
    """Return a client of the daemon at these places."""
    return Client(found.sockets, timeout, named=found.socket_named)


def reach(*, start: bool = False, timeout: float = 10.0) -> Client:
    """Return a client; with *start* a daemon that is not running is started first.

    *timeout* bounds each request (seconds). Raises `not-running` where nothing is configured.
    """
    from credward.starting.refusal import start_is_wanted

    found = paths()
    client = client_of(found, timeout)
    if not start_is_wanted(environment()) or (found.is_configured and not start):
        return client
    try:
        client.health()
    except BrokerError as error:
        # A machine's daemon that is not for this user is no reason against one of the user's own.
        if error.kind not in {Kind.NOT_RUNNING, Kind.DENIED}:
            raise
        failure = error.failure
    else:
        return client
    if start:
        return _started(failure, timeout)
    if failure.kind is Kind.DENIED:
        raise failure.error()
    raise BrokerError(Kind.NOT_RUNNING, "nothing is configured yet: run credward init")


def _started(failure: Failure, timeout: float) -> Client:
    """Return a client of the daemon that is started now; *failure*: why there is none yet."""
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
