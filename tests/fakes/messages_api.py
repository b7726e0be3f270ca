"""A loopback Messages API: streams one short answer, checks tokens, writes down every request.

Stands for what Claude Code talks to. Which tokens are refused is decided per test: the first N
posts, listed tokens, or all that are expired by a table of ends.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from fakes.http_server import Handler, HttpServer

__all__ = ["MessagesApi", "Seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request for a message."""

    at: float
    status: int
    api_key: str | None
    bearer: str | None

    @property
    def token(self) -> str:
        return self.bearer or self.api_key or ""


@dataclass(slots=True)
class MessagesApi:
    """Serve on a free loopback port. *refuse* gets a token and returns whether it is refused."""

    refuse: Callable[[str], bool] = lambda _token: False
    refuse_first: int = 0
    seen: list[Seen] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: HttpServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return self._server.url

    def __enter__(self) -> Self:
        api = self

        class Answering(Handler):
            def do_HEAD(self) -> None:
                self._answer(200, b"", "text/plain")

            def do_GET(self) -> None:
                self._answer(404, _error("not_found_error", "no such page"))

            def do_POST(self) -> None:
                body = self.body()
                path = self.path.partition("?")[0]
                if path.endswith("/count_tokens"):
                    self._answer(200, b'{"input_tokens":10}')
                elif path != "/v1/messages":
                    self._answer(404, _error("not_found_error", "no such page"))
                else:
                    self._message(body)

            def _message(self, body: bytes) -> None:
                authorization = self.headers.get("Authorization", "")
                bearer = authorization.removeprefix("Bearer ") or None
                status = api.judge(self.headers.get("x-api-key"), bearer)
                if status != 200:
                    self._answer(status, _error("authentication_error", "invalid x-api-key"))
                elif json.loads(body).get("stream"):
                    self._answer(200, _stream(), "text/event-stream")
                else:
                    self._answer(200, json.dumps(_message("end_turn")).encode())

            def _answer(
                self, status: int, body: bytes, content_type: str = "application/json"
            ) -> None:
                self.reply(status, body, {"Content-Type": content_type})

        self._server = HttpServer(Answering).__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._server is not None
        self._server.__exit__()

    def judge(self, api_key: str | None, bearer: str | None) -> int:
        """Write the request down and return the status it gets."""
        with self._lock:
            token = bearer or api_key or ""
            refused = len(self.seen) < self.refuse_first or not token.strip() or self.refuse(token)
            status = 401 if refused else 200
            self.seen.append(Seen(time.time(), status, api_key, bearer))
            return status


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()


def _message(stop_reason: str | None) -> dict[str, Any]:
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": [] if stop_reason is None else [{"type": "text", "text": "hi"}],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 1},
    }


def _stream() -> bytes:
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": _message(None)},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "hi"},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 1},
        },
        {"type": "message_stop"},
    ]
    return "".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events
    ).encode()
