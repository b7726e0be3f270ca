"""Reach the daemon from the command line, starting it where that is wanted.

The same rules as the native helper's: never where a socket was named, never without a
configuration, never from inside a worker.
"""

from __future__ import annotations

import subprocess
import sys

from credward.client import Client
from credward.config import Places, environment, find_places
from credward.errors import BrokerError, Kind

__all__ = ["places", "reach"]

# What a daemon is given of the environment of whoever happened to need it first.
_PASSED_ON = (
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
)
_FIXED_PATH = "/usr/local/bin:/usr/bin:/bin"
_READY_IN = 15.0


def places() -> Places:
    """Return this user's places."""
    return find_places(environment())


def reach(*, start: bool = False, timeout: float = 10.0) -> Client:
    """Return a client; with *start* a daemon that is not running is started first.

    Where nothing is configured none is, and `not-running` says what comes first.
    """
    found = places()
    client = Client(found.sockets, timeout, named=found.socket_named)
    if not _may_start(found) or not (start or not _configured(found)):
        return client
    try:
        client.health()
    except BrokerError as error:
        if error.kind is not Kind.NOT_RUNNING:
            raise
        if not _configured(found):
            raise BrokerError(
                Kind.NOT_RUNNING, "nothing is configured yet: run credward init"
            ) from error
        _start()
    return client


def _may_start(found: Places) -> bool:
    named = found.socket_named or environment().get("CREDWARD_URL")
    return not named and not environment().get("CREDWARD_NO_START")


def _configured(found: Places) -> bool:
    return found.config_file.exists() or (found.system_config_dir / "config.toml").exists()


def _start() -> None:
    environ = {name: environment()[name] for name in _PASSED_ON if name in environment()}
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-m", "credward", "serve", "--detach"],
            env={**environ, "PATH": _FIXED_PATH},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_READY_IN,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BrokerError(
            Kind.NOT_RUNNING, "the daemon does not get ready: run credward serve to see why"
        ) from error
    # Somebody else's start that was quicker is as good.
    if done.returncode not in {0, Kind.ALREADY_RUNNING.exit_code}:
        line = done.stderr.strip().splitlines()[-1:] or ["the daemon cannot be started"]
        kind = next((k for k in Kind if k.exit_code == done.returncode), Kind.NOT_RUNNING)
        raise BrokerError(kind, line[0].removeprefix("credward: "))
