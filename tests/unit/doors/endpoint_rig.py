"""One endpoint over the owner's side of a daemon: real credentials, decided and minted, no socket."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from credward.callers.caller import Caller
from credward.config import CredentialConfig, EndpointConfig
from credward.doors.claims import ClientClaims
from credward.doors.endpoint import Asking, EndpointProtocol
from credward.errors import BrokerError
from credward.http.messages import HttpRequest, HttpResponse
from credward.lifecycle.vocabulary import Plan
from credward.settings.doors import DoorKind
from credward.settings.meaning import meaning_of
from unit.administering.services import PERSON, Services

__all__ = ["Answered", "asking", "credential", "send"]


class Answered(msgspec.Struct):
    """An answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


def credential(name: str, settings: msgspec.Struct, provider: str, **more: Any) -> CredentialConfig:
    """Return a credential, with the audiences that its settings imply."""
    more.setdefault("audiences", meaning_of(settings).audiences)
    return CredentialConfig(
        name=name, provider=provider, settings=settings, epoch="1", grant=name, **more
    )


def asking(services: Services, door: DoorKind, *credentials: CredentialConfig) -> Asking:
    """Return what an endpoint of these credentials asks with; they are the configuration."""
    services.configure(*credentials)
    services.driver.configure(
        [Plan(credential=each.name, epoch="1", grant=each.grant) for each in credentials]
    )
    endpoint = EndpointConfig(door=door, credentials=tuple(each.name for each in credentials))

    async def nobody(_: Caller) -> None:
        """Nothing is known of where it sends a token."""

    claims = ClientClaims(nobody, home=None)
    return Asking(endpoint, services.asked.issuer, lambda: services.config, claims)


async def send(
    protocol: EndpointProtocol, target: str, *, method: str = "GET", **headers: str
) -> Answered:
    """Ask for *target*; a failure is rendered as the connection does it."""
    path, _, query = target.partition("?")
    asked = HttpRequest(
        method=method,
        target=b"",
        path=path,
        query=dict(parse_qsl(query, keep_blank_values=True)),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=b"",
        peer=PERSON,  # type: ignore[arg-type]
    )
    try:
        answer = await protocol.answer(asked)
    except BrokerError as error:
        answer = protocol.render_error(error, asked.headers)
    return _read(answer)


def _read(answer: HttpResponse) -> Answered:
    names = {name.lower(): value for name, value in answer.headers}
    return Answered(answer.status, names, bytes(answer.body))
