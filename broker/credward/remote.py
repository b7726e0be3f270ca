"""The endpoint that CREDWARD_URL names, for clients that cannot share the daemon's socket.

The variables may come from a repository, so they lead nowhere but to this machine, or to the one
that runs this container or virtual machine; and no file is sent there but one that the daemon made
for it. The rules of helpers/remote.c, for Python.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec

from credward.errors import BrokerError, Kind
from credward.named_files import opened, read_all
from credward.tokens import Secret

__all__ = ["Endpoint", "bearer", "connect", "named_endpoint"]

# This machine; and what Docker Desktop, Podman and Lima call it inside of theirs.
_HOSTS = (
    *("127.0.0.1", "localhost", "[::1]"),
    *("host.docker.internal", "host.containers.internal", "host.lima.internal"),
)
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

    *remaining* returns the remaining seconds, and raises at zero.
    """
    host = endpoint.host.strip("[]")
    with suppress(OSError):
        for family, kind, number, _, address in socket.getaddrinfo(
            host, endpoint.port, type=socket.SOCK_STREAM
        ):
            connection = socket.socket(family, kind, number)
            try:
                connection.settimeout(remaining())
                connection.connect(address)
            except OSError:
                connection.close()
            except BaseException:
                connection.close()
                raise
            else:
                return connection
    raise BrokerError(
        Kind.NOT_RUNNING,
        f"no daemon answers at {endpoint.authority}, which CREDWARD_URL names: "
        "start that one, or unset CREDWARD_URL",
    )


def _wrong(message: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, message)
