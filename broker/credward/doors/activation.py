"""Sockets that the service manager opened for us (sd_listen_fds(3)).

Takes over the Unix socket by its name, and sockets on loopback by their ports; the lock on the
store decides which daemon serves them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from credward.errors import BrokerError, Kind

__all__ = ["Activated", "activated_sockets"]

_FIRST = 3
_MOST = 64
_DEFAULT_NAME = "credward"
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_NO_PORTS: Mapping[int, Sequence[socket.socket]] = MappingProxyType({})


class Activated(msgspec.Struct, frozen=True, kw_only=True):
    """Listening sockets: *unix* for the socket API, *loopback* for endpoints, by port."""

    unix: socket.socket | None = None
    loopback: Mapping[int, Sequence[socket.socket]] = _NO_PORTS

    def __bool__(self) -> bool:
        return self.unix is not None or bool(self.loopback)


def activated_sockets(environ: Mapping[str, str], own_pid: int) -> Activated:
    """Return the listening sockets passed to this process; none if they are not for us.

    Without names the first one is `credward`; so is one that has the name of the unit,
    `credward.socket`. A TCP socket is for the endpoint with its port, whatever its name.
    """
    if environ.get("LISTEN_PID") != str(own_pid):
        return Activated()
    text = environ.get("LISTEN_FDS", "")
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= _MOST:
        return Activated()
    given = environ.get("LISTEN_FDNAMES", "")
    names = given.split(":") if given else []
    unix: socket.socket | None = None
    loopback: dict[int, list[socket.socket]] = {}
    for index in range(int(text)):
        name = names[index].removesuffix(".socket") if index < len(names) else ""
        if name in {"", "unknown"}:
            name = f"unnamed-{index}"
        listener = _take(_FIRST + index, name)
        is_first = index == 0 and name == "unnamed-0"
        if name == _DEFAULT_NAME or (is_first and listener.family == socket.AF_UNIX):
            _check_path(listener, name)
            unix = listener
        elif listener.family in {socket.AF_INET, socket.AF_INET6}:
            loopback.setdefault(_loopback_port(listener, name), []).append(listener)
    return Activated(unix=unix, loopback=loopback)


def _take(descriptor: int, name: str) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        raise _unfit(name, "is not a socket") from error
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise _unfit(name, "does not listen: set Accept=no and ListenStream=")
    return listener


def _check_path(listener: socket.socket, name: str) -> None:
    address = listener.getsockname() if listener.family == socket.AF_UNIX else b"\0"
    # Abstract addresses have no permissions: the first process to take one owns it.
    if not isinstance(address, str) or not address.startswith("/"):
        raise _unfit(name, "is not a Unix socket with a path: set ListenStream=/path")


def _loopback_port(listener: socket.socket, name: str) -> int:
    host, port = listener.getsockname()[:2]
    if host not in _LOOPBACK:
        wanted = f"set ListenStream=127.0.0.1:{port}"
        raise _unfit(name, f"is open to other machines, at {host}: {wanted}")
    return int(port)


def _unfit(name: str, why: str) -> BrokerError:
    return BrokerError(
        Kind.FIX_CONFIGURATION,
        f'socket "{name}" from the service manager {why}, in its socket unit',
    )
