"""Sockets that the service manager opened for us (sd_listen_fds(3)).

Takes them over by name; the lock on the store decides which daemon serves them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from credward.errors import BrokerError, Kind

__all__ = ["activated_sockets"]

_FIRST = 3
_MOST = 64
_DEFAULT_NAME = "credward"


def activated_sockets(environ: Mapping[str, str], own_pid: int) -> dict[str, socket.socket]:
    """Return the listening sockets passed to this process, by name; none if they are not for us.

    Without names the first one is `credward`; so is one that has the name of the unit,
    `credward.socket`.
    """
    if environ.get("LISTEN_PID") != str(own_pid):
        return {}
    text = environ.get("LISTEN_FDS", "")
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= _MOST:
        return {}
    given = environ.get("LISTEN_FDNAMES", "")
    names = given.split(":") if given else []
    found: dict[str, socket.socket] = {}
    for index in range(int(text)):
        name = names[index].removesuffix(".socket") if index < len(names) else ""
        if name in {"", "unknown"}:
            name = _DEFAULT_NAME if index == 0 else f"unnamed-{index}"
        found[name] = _take(_FIRST + index, name)
    return found


def _take(descriptor: int, name: str) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        raise _unfit(name, "is not a socket") from error
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise _unfit(name, "does not listen: set Accept=no and ListenStream=")
    if name == _DEFAULT_NAME:
        address = listener.getsockname() if listener.family == socket.AF_UNIX else b"\0"
        # Abstract addresses have no permissions: the first process to take one owns it.
        if not isinstance(address, str) or not address.startswith("/"):
            raise _unfit(name, "is not a Unix socket with a path: set ListenStream=/path")
    return listener


def _unfit(name: str, why: str) -> BrokerError:
    return BrokerError(
        Kind.FIX_CONFIGURATION,
        f'socket "{name}" from the service manager {why}, in its socket unit',
    )
