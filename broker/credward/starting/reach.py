"""Reach the daemon of the user who asks, and start it first if that is wanted.

The command line and programs that import credward come this way; the native helper has its own.
"""

from __future__ import annotations

from credward.client import Client
from credward.clock import SystemClock
from credward.errors import BrokerError, Failure, Kind
from credward.paths import Paths, environment, find_paths
from credward.remote import named_endpoint
from credward.starting.refusal import forbidding_variable, start_is_wanted

__all__ = ["client_of", "paths", "reach"]


def paths() -> Paths:
    """Return this user's directories."""
    return find_paths(environment())


def client_of(found: Paths, timeout: float) -> Client:
    """Return a client of the daemon in these directories."""
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
    # What it needs is for the few that start one.
    from credward.account import find_account  # noqa: PLC0415
    from credward.starting.start import start_daemon  # noqa: PLC0415

    clock = SystemClock()
    try:
        path = start_daemon(find_account(), clock, began=clock.elapsed(), caller=environment())
    except BrokerError as error:
        if error.kind is Kind.NOT_RUNNING and failure.kind is Kind.DENIED:
            raise failure.error() from error
        raise
    return Client([path], timeout)
