"""An endpoint on loopback: what each of its protocols is given, and how it becomes a door.

A protocol reads a request, says which token it means, and words answer and failure as its clients
understand them; each has its own file. All else is here: the socket, the guard, who asks, the way
to the token.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from credward.callers.identify import LoopbackPeers
from credward.callers.peer import Peer
from credward.callers.sock_diag import Address, socket_facts
from credward.config import Config, CredentialConfig, EndpointConfig
from credward.doors.claims import ClientClaims, claimless
from credward.doors.door import Door
from credward.doors.guard import guarded
from credward.errors import BrokerError, Kind
from credward.http.limits import Limits
from credward.http.messages import HttpRequest, HttpResponse, RefusedRequest, RenderError
from credward.issuing.issuer import Issuer
from credward.issuing.released import Released
from credward.tokens import Token, TokenRequest

__all__ = [
    "Asking",
    "EndpointProtocol",
    "OpenedEndpoint",
    "handed_out",
    "no_such_path",
    "only_verb",
    "open_endpoint",
    "path_of",
]

_BACKLOG = 256
# How many ports are tried where any will do: one may be taken in one of the families.
_TRIES = 8
_ADDRESSES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


class EndpointProtocol(Protocol):
    """How the clients of one kind of endpoint ask."""

    @property
    def addresses(self) -> Collection[str]:
        """The addresses of the service that it stands for."""
        ...

    @property
    def names(self) -> Collection[str]:
        """What its clients may call this machine."""
        ...

    @property
    def render_error(self) -> RenderError:
        """How a failure looks, so that the client shows our line."""
        ...

    async def answer(self, http_request: HttpRequest) -> HttpResponse:
        """Answer a request that came straight from a program on this machine."""
        ...


class Asking:
    """Asks for the tokens of one endpoint, for the programs that connect to it.

    *config* returns the configuration in force.
    """

    def __init__(
        self,
        endpoint: EndpointConfig,
        issuer: Issuer,
        config: Callable[[], Config],
        claims: ClientClaims,
    ) -> None:
        self._endpoint = endpoint
        self._issuer = issuer
        self._config = config
        self._claims = claims

    @property
    def credentials(self) -> list[CredentialConfig]:
        """The credentials of this endpoint that are configured now, the usual one first."""
        known = self._config().credentials
        return [known[name] for name in self._endpoint.credentials if name in known]

    async def token(self, http_request: HttpRequest, token_request: TokenRequest) -> Released:
        """Return a token; decided and recorded as at every door."""
        deadline = asyncio.get_running_loop().time() + token_request.timeout
        asked = await self._with_claims(http_request.peer, token_request)
        answer = self._issuer.issue(http_request.peer, asked, deadline)
        return answer if isinstance(answer, Released) else await answer

    async def _with_claims(self, peer: Peer, token_request: TokenRequest) -> TokenRequest:
        """Return the request with what the caller would say, as far as that matters."""
        credential = self._config().credentials.get(token_request.credential)
        if credential is not None and credential.base_urls:
            return await self._claims.added(token_request, peer.identify())
        return claimless(token_request)


def handed_out(
    released: Released, shape: Callable[[Token], bytearray], content_type: str = "application/json"
) -> HttpResponse:
    """Return the answer with the token in the *shape* of a door; it is wiped when it is sent."""
    return HttpResponse(
        status=200,
        body=shape(released.token()),
        content_type=content_type,
        headers=[("Cache-Control", "no-store")],
        wipe=True,
    )


def no_such_path() -> RefusedRequest:
    """Return the refusal of a path that the door does not have."""
    return RefusedRequest(404, "this endpoint has no such path")


def path_of(http_request: HttpRequest) -> str:
    """Return the path as the service knows it: one slash before it, and none behind it.

    Clients in Java put a second one before it, one of them only if their variable ends in a slash.
    """
    return f"/{http_request.path.strip('/')}".rstrip("/")


def only_verb(http_request: HttpRequest, verb: str) -> None:
    """Refuse all other verbs."""
    if http_request.method != verb:
        raise RefusedRequest(405, f"no such verb on this path: use {verb}", allow=verb)


class LoopbackSockets:
    """The listening sockets of an endpoint, on one port: 127.0.0.1, and ::1 where there is one.

    Raises `BrokerError` if the port is in use. *port* None: any that is free. *activated*: the
    service manager listens there already, and these are its sockets.
    """

    def __init__(self, port: int | None, activated: Sequence[socket.socket] = ()) -> None:
        self.sockets: list[socket.socket] = []
        self.port = port or 0
        try:
            for each in activated:
                # A reload may close and open the endpoint again, so theirs stay open.
                self.sockets.append(each.dup())
            if not activated:
                self._open(tries=_TRIES if port is None else 1)
        except OSError as error:
            self._drop()
            raise BrokerError(Kind.FIX_CONFIGURATION, _not_opened(port, error)) from error

    def _open(self, tries: int) -> None:
        """Bind both families to one port; another port may be free for both."""
        wanted = self.port
        for left in reversed(range(tries)):
            try:
                for family, host in _ADDRESSES:
                    if (bound := self._bind(family, host)) is not None:
                        self.sockets.append(bound)
                        self.port = bound.getsockname()[1]
            except OSError as error:
                if error.errno != errno.EADDRINUSE or not left:
                    raise
                self._drop()
                self.port = wanted
            else:
                break
        if not self.sockets:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))

    def _drop(self) -> None:
        for each in self.sockets:
            each.close()
        self.sockets = []

    def _bind(self, family: socket.AddressFamily, host: str) -> socket.socket | None:
        """Return a socket; None if this machine has no such family."""
        try:
            bound = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            if error.errno == errno.EAFNOSUPPORT:
                return None
            raise
        try:
            # Nobody else can listen there at the same time; a port that was just closed is free.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((host, self.port))
            bound.listen(_BACKLOG)
        except OSError as error:
            bound.close()
            if family == socket.AF_INET6 and error.errno == errno.EADDRNOTAVAIL:
                return None
            raise
        return bound


def _not_opened(port: int | None, error: OSError) -> str:
    if port is None:
        return f"no port of this machine can be opened ({error.strerror}): run credward doctor"
    return (
        f"port {port} cannot be opened ({error.strerror}{_by_whom(port)}): "
        "give this endpoint another one, then run credward daemon reload"
    )


def _by_whom(port: int) -> str:
    """Return whose program has *port*: clients that were set up with it ask that one."""
    for family, host in _ADDRESSES:
        anywhere: Address = ("::", 0, 0, 0) if family == socket.AF_INET6 else ("0.0.0.0", 0)  # noqa: S104
        with suppress(OSError, AttributeError):
            if (found := socket_facts((host, port), anywhere)) is not None:
                return f" by uid {found.uid}"
    return ""


class _Opened:
    """One socket, as a door's opening: nobody can remove it."""

    def __init__(self, bound: socket.socket) -> None:
        self.socket = bound

    def still_there(self) -> bool:
        return True

    def remove(self) -> None:
        """Nothing: it is closed by the code that accepts on it."""

    def release(self) -> None:
        """Nothing, as above."""


class OpenedEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint whose sockets listen at *port*, with one door for each.

    *secret_file* holds what clients must show, None if they show nothing.
    """

    port: int
    doors: tuple[Door, ...]
    secret_file: Path | None


def open_endpoint(
    endpoint: EndpointConfig,
    protocol: EndpointProtocol,
    peers: LoopbackPeers,
    *,
    secret_file: Path | None,
    activated: Sequence[socket.socket] = (),
    port: int | None = None,
    only_uid: int | None = None,
) -> OpenedEndpoint:
    """Open the sockets of an endpoint, as `LoopbackSockets`; raises `BrokerError`.

    *port*: if the configuration says none. *only_uid*: it is for this user alone.
    """
    opened = LoopbackSockets(endpoint.port or port, activated)
    handler = guarded(
        protocol.answer, port=opened.port, addresses=protocol.addresses, names=protocol.names
    )
    doors = [
        Door(
            name=endpoint.name,
            address=_address(each),
            make_opening=partial(_Opened, each),
            open_peer=partial(
                peers.open,
                door=f"{endpoint.door}:{opened.port}",
                limited_to=endpoint.limited_to,
                only_uid=only_uid,
            ),
            handler=handler,
            render_error=protocol.render_error,
            # A connection that is kept is inherited at a fork, and belongs to nobody then.
            limits=Limits(keep_alive=False),
        )
        for each in opened.sockets
    ]
    return OpenedEndpoint(port=opened.port, doors=tuple(doors), secret_file=secret_file)


def _address(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if bound.family == socket.AF_INET6 else f"{host}:{port}"
