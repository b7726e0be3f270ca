"""Format `headers`: a JSON object of HTTP headers, what `headersHelper` hooks read.

The configuration names the header; the default depends on the kind of token.
"""

from __future__ import annotations

import base64

import msgspec

from credward.formats.shape import Shaped, ShapeRequest, one_line_secret
from credward.tokens import Token

__all__ = ["shape_headers"]


def shape_headers(token: Token, shape_request: ShapeRequest) -> Shaped:
    """Return `{"Authorization": "Bearer ..."}`, or as kind or configuration require."""
    secret = one_line_secret(token, shape_request, "headers")
    header = shape_request.header or ("x-api-key" if token.kind == "api-key" else "Authorization")
    value = secret
    if token.kind == "basic":
        value = "Basic " + base64.b64encode(secret.encode()).decode()
    elif header.lower() == "authorization":
        value = "Bearer " + secret
    body = bytearray(msgspec.json.encode({header: value}))
    body += b"\n"
    return Shaped(body=body, content_type="application/json")
