"""Format `json`: the token with its times, for programs that keep it themselves.

The state of the credential is in `GET /v1/credentials`.
"""

from __future__ import annotations

import msgspec

from credward.formats.shape import Shaped, ShapeRequest
from credward.tokens import Token

__all__ = ["shape_json"]


def shape_json(token: Token, shape_request: ShapeRequest) -> Shaped:
    """Return one JSON object and a newline; times are whole seconds, an unknown end is null."""
    record = {
        "version": 1,
        "credential": shape_request.credential,
        "token": token.secret.reveal(),
        "kind": token.kind,
        "issued_at": int(token.issued_at),
        "expires_at": None if token.expires_at is None else int(token.expires_at),
    }
    body = bytearray(msgspec.json.encode(record))
    body += b"\n"
    return Shaped(body=body, content_type="application/json")
