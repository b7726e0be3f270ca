"""The services behind a credential on loopback: each form of a request for a message, and any answer to it.

A request that is not in the form of its service gets what that service says to such; signatures are
computed here without an SDK. What a good request gets is decided by the test.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fakes.http_server import Handler, Service
from fakes.sigv4 import AwsKeys, signed

__all__ = ["AwsKeys", "Given", "ModelService", "Received"]

_MESSAGE = {"type": "message", "content": [{"type": "text", "text": "h"}], "usage": {}}
_VERTEX = re.compile(
    r"/v1/projects/[a-z0-9-]+/locations/[a-z0-9-]+/publishers/anthropic/models/[a-z0-9@-]+:rawPredict"
)
_BEDROCK = re.compile(r"/model/[A-Za-z0-9.%-]+/invoke")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a well-formed request gets; *echo* puts the shown token into body and headers."""

    status: int = 200
    body: Any = field(default_factory=lambda: _MESSAGE)
    headers: Mapping[str, str] = field(default_factory=dict)
    echo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request; header names are lower case."""

    path: str
    headers: Mapping[str, str]
    body: Any
    fault: str


@dataclass(slots=True)
class ModelService(Service):
    """*keys*: of the account that a signature is checked with.

    *before* is called in each request before it is answered.
    """

    given: Given = field(default_factory=Given)
    keys: AwsKeys | None = None
    before: Callable[[], None] = lambda: None
    received: list[Received] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answering(self) -> type[Handler]:
        service = self

        class Answering(Handler):
            def do_POST(self) -> None:
                raw = self.body()
                headers = {name.lower(): value for name, value in self.headers.items()}
                given = service.take(self.path, headers, raw)
                service.before()
                body, sent = given.body, dict(given.headers)
                if given.echo:
                    shown = headers.get("authorization", "").removeprefix("Bearer ")
                    body = (
                        {**body, "code": shown, "shown": shown} if isinstance(body, dict) else shown
                    )
                    sent |= {"request-id": shown, "x-request-id": shown, "x-amzn-errortype": shown}
                self.reply(given.status, json.dumps(body).encode(), sent)

        return Answering

    def take(self, path: str, headers: Mapping[str, str], raw: bytes) -> Given:
        """Write the request down and return what it gets."""
        body = json.loads(raw)
        fault = self._fault(path, headers, body, raw)
        with self._lock:
            self.received.append(Received(path=path, headers=headers, body=body, fault=fault))
        return Given(status=400, body={"error": fault}) if fault else self.given

    def _fault(
        self, path: str, headers: Mapping[str, str], body: dict[str, Any], raw: bytes
    ) -> str:
        """Return what is wrong with the form of a request, the empty text if nothing is."""
        if body.get("max_tokens") != 1 or len(body.get("messages", [])) != 1:
            return "costs more than one token"
        by_cloud = _VERTEX.fullmatch(path) or _BEDROCK.fullmatch(path)
        if not by_cloud and not path.endswith("/v1/messages"):
            return "asks at no path of a service"
        if by_cloud and ("model" in body or "anthropic_version" not in body):
            return "is not in the form of a cloud"
        if not by_cloud and ("model" not in body or "anthropic-version" not in headers):
            return "is not in the form of the Messages API"
        shown = headers.get("authorization", "")
        if self.keys is None:
            return "" if shown.startswith("Bearer ") or "x-api-key" in headers else "shows no token"
        return (
            "" if shown == signed(self.keys, "bedrock", path, headers, raw) else "is signed wrongly"
        )
