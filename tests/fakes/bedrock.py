"""A loopback Amazon Bedrock for Claude Code: streams one short answer to whoever signed with accepted keys.

Which access keys are refused is decided per test; signatures are not computed, moto does that.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
import threading
from dataclasses import dataclass, field
from typing import Any, Self

from fakes.http_server import Handler, HttpServer

__all__ = ["Bedrock"]

_SIGNED_BY = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/")
_TEXT = "hi"


@dataclass(slots=True)
class Bedrock:
    """Serve on a free loopback port. *refused*: access key ids whose session has ended."""

    refused: set[str] = field(default_factory=set)
    # The access key id of each request for a message.
    asked: list[str] = field(default_factory=list)
    # With these, a request that names no session token is noticed.
    sessions: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: HttpServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return self._server.url

    def __enter__(self) -> Self:
        bedrock = self

        class Answering(Handler):
            def do_GET(self) -> None:
                self.reply(404, b"{}", {"Content-Type": "application/json"})

            def do_POST(self) -> None:
                self.body()
                signed = _SIGNED_BY.match(self.headers.get("Authorization", ""))
                key = signed[1] if signed else ""
                with bedrock._lock:
                    bedrock.asked.append(key)
                    bedrock.sessions.append(self.headers.get("X-Amz-Security-Token", ""))
                if not key or key in bedrock.refused:
                    said = {"message": "The security token included in the request is expired"}
                    headers = {
                        "Content-Type": "application/json",
                        "x-amzn-ErrorType": "ExpiredTokenException",
                    }
                    self.reply(403, json.dumps(said).encode(), headers)
                elif self.path.endswith("/invoke-with-response-stream"):
                    kind = {"Content-Type": "application/vnd.amazon.eventstream"}
                    self.reply(200, b"".join(map(_chunk, _events())), kind)
                else:
                    said = _message("end_turn")
                    self.reply(200, json.dumps(said).encode(), {"Content-Type": "application/json"})

        self._server = HttpServer(Answering).__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._server is not None
        self._server.__exit__()


def _message(stop_reason: str | None) -> dict[str, Any]:
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": [] if stop_reason is None else [{"type": "text", "text": _TEXT}],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 1},
    }


def _events() -> list[dict[str, Any]]:
    block = {"type": "text", "text": ""}
    delta = {"type": "text_delta", "text": _TEXT}
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        {"type": "message_start", "message": _message(None)},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ending, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]


def _chunk(event: dict[str, Any]) -> bytes:
    """Return one message of the event stream encoding (Amazon, "Event stream encoding")."""
    bytes_of = base64.b64encode(json.dumps(event).encode()).decode()
    payload = json.dumps({"bytes": bytes_of}).encode()
    headers = b"".join(
        bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value
        for name, value in (
            (b":event-type", b"chunk"),
            (b":content-type", b"application/json"),
            (b":message-type", b"event"),
        )
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    prelude += struct.pack(">I", binascii.crc32(prelude))
    message = prelude + headers + payload
    return message + struct.pack(">I", binascii.crc32(message))
