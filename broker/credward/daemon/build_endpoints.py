"""Which protocol each kind of endpoint speaks, and what it is given. Only constructs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from credward.administering.endpoint_views import EndpointView
from credward.callers.identify import LoopbackPeers
from credward.clock import Clock
from credward.config import Config, EndpointConfig
from credward.daemon.endpoints import Endpoints
from credward.daemon.sessions import Sessions
from credward.doors.aws_container import AwsContainer
from credward.doors.aws_imds import AwsImds
from credward.doors.azure_app_service import AzureAppService
from credward.doors.azure_imds import AzureImds
from credward.doors.claims import ClientClaims
from credward.doors.endpoint import Asking, EndpointProtocol, OpenedEndpoint, open_endpoint
from credward.doors.gce import Gce
from credward.doors.http_api import HttpApi
from credward.http.messages import Handler
from credward.issuing.issuer import Issuer
from credward.settings.doors import WITH_SECRET, DoorKind
from credward.store.door_secrets import load_or_make_secret, secret_file
from credward.store.session_files import SessionFiles
from credward.tokens import Secret

__all__ = ["Listening", "build_endpoints"]


class _Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a protocol may be made of; the secret in *secret_file* is made when it is wanted."""

    asking: Asking
    secret_file: Path
    clock: Clock
    socket_api: Handler

    def secret(self) -> Secret:
        return load_or_make_secret(self.secret_file)


_PROTOCOLS: Mapping[DoorKind, Callable[[_Given], EndpointProtocol]] = {
    "aws-container": lambda given: AwsContainer(given.asking, given.secret(), given.clock),
    "aws-imds": lambda given: AwsImds(given.asking, given.clock),
    "gce": lambda given: Gce(given.asking, given.clock),
    "azure-app-service": lambda given: AzureAppService(given.asking, given.secret(), given.clock),
    "azure-imds": lambda given: AzureImds(given.asking, given.clock),
    "http": lambda given: HttpApi(given.socket_api, given.secret()),
}


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """What listens on loopback: the endpoints of the configuration, and those of processes."""

    endpoints: Endpoints
    sessions: Sessions

    def views(self) -> list[EndpointView]:
        """Return the state of each."""
        return [*self.endpoints.views(), *self.sessions.endpoint_views()]

    async def begin(self) -> None:
        """Open them: first those whose ports are known by processes that ran before the daemon."""
        await self.sessions.resume()
        await self.endpoints.follow()

    async def close(self) -> None:
        """Close them all."""
        await asyncio.gather(self.endpoints.close(), self.sessions.close())


def build_endpoints(
    *,
    clock: Clock,
    state_dir: Path,
    config: Callable[[], Config],
    issuer: Issuer,
    claims: ClientClaims,
    socket_api: Handler,
    peers: LoopbackPeers,
    activated: Mapping[int, Sequence[socket.socket]],
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
) -> Listening:
    """Return the endpoints that *config* names, and those of sessions; nothing is open yet.

    *socket_api* answers at `http` what is about tokens. *activated*: sockets of the service
    manager, by port.
    """

    def speak(endpoint: EndpointConfig, secret: Path) -> tuple[EndpointProtocol, Path | None]:
        """Return its protocol, and the file of its secret if it has one."""
        parts = _Given(
            asking=Asking(endpoint, issuer, config, claims),
            secret_file=secret,
            clock=clock,
            socket_api=socket_api,
        )
        kept = secret if endpoint.door in WITH_SECRET else None
        return _PROTOCOLS[endpoint.door](parts), kept

    def make(endpoint: EndpointConfig) -> OpenedEndpoint:
        protocol, kept = speak(endpoint, secret_file(state_dir, endpoint.name))
        given = activated.get(endpoint.port or 0, ())
        return open_endpoint(endpoint, protocol, peers, secret_file=kept, activated=given)

    def make_for_session(
        endpoint: EndpointConfig, port: int, secret: Path, uid: int
    ) -> OpenedEndpoint:
        protocol, kept = speak(endpoint, secret)
        return open_endpoint(
            endpoint, protocol, peers, secret_file=kept, port=port or None, only_uid=uid
        )

    return Listening(
        endpoints=Endpoints(
            configured=lambda: config().endpoints, make=make, activated=activated.keys()
        ),
        sessions=Sessions(
            files=SessionFiles(state_dir / "sessions"),
            make=make_for_session,
            spawn=spawn,
            works=peers.tell,
        ),
    )
