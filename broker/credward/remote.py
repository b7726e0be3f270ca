"""The endpoint that CREDWARD_URL names, for clients that cannot share the daemon's socket.

The variables may come from a repository, so they lead nowhere but to this machine, or to the one
that runs this container or virtual machine; and no file is sent there but one that the daemon made
for it. The rules of helpers/remote.c, for Python.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import msgspec

from credward.callers.sock_diag import Address, SocketFacts, socket_facts
from credward.errors import BrokerError, Kind
from credward.named_files import opened, read_all
from credward.tokens import Secret
from credward.trust import is_ours

__all__ = ["Endpoint", "bearer", "connect", "named_endpoint"]

# This machine, and its addresses; no resolver is asked, who might know better.
_LOOPBACK: Mapping[str, Sequence[str]] = {
    "127.0.0.1": ("127.0.0.1",),
    "localhost": ("127.0.0.1", "::1"),
    "[::1]": ("::1",),
}
# What Docker Desktop, Podman and Lima call it inside of theirs.
_AROUND = ("host.docker.internal", "host.containers.internal", "host.lima.internal")
_HOSTS = (*_LOOPBACK, *_AROUND)
# Networks that end at a router (RFC 1918, 3927, 6598, 4193, 4291): such a host is near.
_NEAR = [
    ipaddress.ip_network(each)
    for each in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"),
        *("127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128"),
    )
]
_NAMES_HERE = "/etc/hosts"
_URL = re.compile(rf"http://({'|'.join(map(re.escape, _HOSTS))}):([0-9]{{1,5}})/?")
# As `store.door_secrets` makes it.
_BEARER = re.compile(rb"credward_[A-Za-z0-9_-]{43}")
_LAST_PORT = 65_535


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where the variables lead: *host* as written in the URL, and the file with the bearer."""

    host: str
    port: int
    token_file: str

    @property
    def authority(self) -> str:
        """Host and port, as in the URL and in a Host header."""
        return f"{self.host}:{self.port}"

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, and not on the one around it."""
        return self.host in _LOOPBACK


def named_endpoint(environ: Mapping[str, str]) -> Endpoint | None:
    """Return the endpoint of CREDWARD_URL, None if it is unset or CREDWARD_SOCKET counts instead.

    Raises `fix-configuration` if it leads elsewhere, or if CREDWARD_TOKEN_FILE is unset.
    """
    url = environ.get("CREDWARD_URL")
    if not url or environ.get("CREDWARD_SOCKET"):
        return None
    match = _URL.fullmatch(url)
    if match is None or not 0 < int(match[2]) <= _LAST_PORT:
        raise _wrong(
            "CREDWARD_URL is not http://127.0.0.1:PORT or another name of this machine: "
            "set it as credward status --endpoints shows"
        )
    token_file = environ.get("CREDWARD_TOKEN_FILE")
    if not token_file:
        raise _wrong(
            "CREDWARD_URL is set and CREDWARD_TOKEN_FILE is not: "
            "set it as credward status --endpoints shows"
        )
    return Endpoint(host=match[1], port=int(match[2]), token_file=token_file)


def bearer(endpoint: Endpoint) -> Secret:
    """Return what the endpoint wants to be shown; raises `fix-configuration`."""
    try:
        with opened(endpoint.token_file) as descriptor:
            found = read_all(descriptor).strip()
    except OSError as error:
        raise _wrong(
            f"the file in CREDWARD_TOKEN_FILE cannot be read ({error.strerror}): "
            "set it as credward status --endpoints shows"
        ) from error
    if not _BEARER.fullmatch(found):
        raise _wrong(
            "the file in CREDWARD_TOKEN_FILE is not the token of an endpoint: "
            "set it as credward status --endpoints shows"
        )
    return Secret(found.decode("ascii"))


def connect(endpoint: Endpoint, remaining: Callable[[], float]) -> socket.socket:
    """Return a connection; raises `not-running` if nobody listens there.

    *remaining* returns the remaining seconds, and raises at zero. Raises `fix-configuration` if
    another user of this machine listens there, who would get what is sent.
    """
    for address in _addresses(endpoint):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with suppress(OSError):
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(remaining())
                connection.connect((address, endpoint.port))
                if endpoint.is_here:
                    _check_listener(connection, endpoint)
            except BaseException:
                connection.close()
                raise
            return connection
    raise BrokerError(
        Kind.NOT_RUNNING,
        f"no daemon answers at {endpoint.authority}, which CREDWARD_URL names: "
        "start that one, or unset CREDWARD_URL",
    )


def _addresses(endpoint: Endpoint) -> Sequence[str]:
    if endpoint.is_here:
        return _LOOPBACK[endpoint.host]
    found = _written_down(endpoint.host)
    if not found:
        with suppress(OSError):
            # With the last dot it is this name, whatever a variable adds to names (resolver(5)).
            known = socket.getaddrinfo(f"{endpoint.host}.", None, type=socket.SOCK_STREAM)
            found = [str(each[4][0]) for each in known]
    return [each for each in found if _is_near(each)]


def _written_down(host: str) -> list[str]:
    """Return the addresses of *host* in the file of names (hosts(5))."""
    try:
        with opened(_NAMES_HERE) as descriptor:
            lines = read_all(descriptor).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    rows = [line.partition("#")[0].split() for line in lines]
    return [row[0] for row in rows if host in row[1:]]


def _is_near(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return any(address in network for network in _NEAR)


def _check_listener(connection: socket.socket, endpoint: Endpoint) -> None:
    """Refuse a port that another user's program serves; only Linux tells whose it is."""
    if sys.platform != "linux":
        return
    there, here = connection.getpeername(), connection.getsockname()
    anywhere: Address = ("::", 0, 0, 0) if ":" in there[0] else ("0.0.0.0", 0)  # noqa: S104
    found: list[SocketFacts | None] = []
    with suppress(OSError):
        # Until it is accepted, the socket at the other end belongs to who listens.
        found = [socket_facts(there, anywhere), socket_facts(there, here)]
    if not any(found):
        raise _wrong(
            f"the kernel does not say who serves {endpoint.authority}, so it is not trusted: "
            "unset CREDWARD_URL"
        )
    if not all(is_ours(each.uid) for each in found if each is not None):
        raise _wrong(
            f"{endpoint.authority} is served by another user, so it is not trusted: "
            "unset CREDWARD_URL"
        )


def _wrong(message: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, message)
