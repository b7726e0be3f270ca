"""A loopback Messages API: streams one short answer, checks tokens, writes down every request.

Stands for what Claude Code talks to: the Claude API or a gateway, Foundry below any path, and Vertex
AI. Which tokens are refused is decided per test: the first N posts, listed tokens, or all that are
expired by a table of ends.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fakes.claude_answers import message, server_sent
from fakes.http_server import Handler, Service

__all__ = ["MessagesApi", "Seen"]

_VERTEX = re.compile(
    r".*/projects/[^/]+/locations/[^/]+/publishers/anthropic/models/[^/]+:(stream)?[rR]awPredict"
)
Exchange = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request for a message."""

    at: float
    status: int
    api_key: str | None
    bearer: str | None
    path: str = ""

    @property
    def token(self) -> str:
        return self.bearer or self.api_key or ""


@dataclass(slots=True)
class MessagesApi(Service):
    """*refuse* gets a token and returns whether it is refused.

    *exchange* answers the token endpoint, which the Claude API has at the same address.
    """

    refuse: Callable[[str], bool] = lambda _token: False
    refuse_first: int = 0
    refuse_with: int = 401
    exchange: Exchange | None = None
    seen: list[Seen] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answering(self) -> type[Handler]:
        api = self

        class Answering(Handler):
            def do_HEAD(self) -> None:
                self._answer(200, b"", "text/plain")

            def do_GET(self) -> None:
                self._answer(404, _error("not_found_error", "no such page"))

            def do_POST(self) -> None:
                body = self.body()
                path = self.path.partition("?")[0]
                if path.endswith(("/count_tokens", "/count-tokens:rawPredict")):
                    self._answer(200, b'{"input_tokens":10}')
                elif path == "/v1/oauth/token" and api.exchange is not None:
                    status, said = api.exchange(json.loads(body))
                    self._answer(status, json.dumps(said).encode())
                elif path.endswith("/v1/messages"):
                    self._message(path, stream=json.loads(body).get("stream", False))
                elif found := _VERTEX.fullmatch(path):
                    self._message(path, stream=found[1] is not None)
                else:
                    self._answer(404, _error("not_found_error", "no such page"))

            def _message(self, path: str, *, stream: bool) -> None:
                authorization = self.headers.get("Authorization", "")
                bearer = authorization.removeprefix("Bearer ") or None
                status = api.judge(self.headers.get("x-api-key"), bearer, path)
                if status != 200:
                    self._answer(status, _error("authentication_error", "invalid x-api-key"))
                elif stream:
                    self._answer(200, server_sent(), "text/event-stream")
                else:
                    self._answer(200, json.dumps(message()).encode())

            def _answer(
                self, status: int, body: bytes, content_type: str = "application/json"
            ) -> None:
                self.reply(status, body, {"Content-Type": content_type})

        return Answering

    def judge(self, api_key: str | None, bearer: str | None, path: str) -> int:
        """Write the request down and return the status it gets."""
        with self._lock:
            token = bearer or api_key or ""
            refused = len(self.seen) < self.refuse_first or not token.strip() or self.refuse(token)
            status = self.refuse_with if refused else 200
            self.seen.append(Seen(time.time(), status, api_key, bearer, path))
            return status


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
