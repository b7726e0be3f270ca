"""One short answer of Claude, as the services stream it: server-sent events, or Amazon's event stream."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from typing import Any

__all__ = ["amazon_stream", "message", "server_sent"]

_TEXT = "hi"


def message(stop_reason: str | None = "end_turn") -> dict[str, Any]:
    """Return a message; one that has only begun has no *stop_reason*."""
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


def server_sent() -> bytes:
    """Return the message as `text/event-stream`."""
    return "".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in _events()
    ).encode()


def amazon_stream() -> bytes:
    """Return the message as `application/vnd.amazon.eventstream`."""
    return b"".join(map(_chunk, _events()))


def _events() -> list[dict[str, Any]]:
    block = {"type": "text", "text": ""}
    delta = {"type": "text_delta", "text": _TEXT}
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        {"type": "message_start", "message": message(None)},
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
    whole = prelude + headers + payload
    return whole + struct.pack(">I", binascii.crc32(whole))
