"""Format `headers`: a JSON object of HTTP headers, what `headersHelper` hooks read.

The configuration names the header; the default depends on the kind of token. Several credentials
fill one object: a token for the service, and a key for the proxy before it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from credward.errors import BrokerError, Kind
from credward.formats.shape import Shaped, ShapeRequest, one_line_secret
from credward.tokens import Token

__all__ = ["merge_headers", "shape_headers"]

# Where a scheme comes before the token (RFC 9110, 11.6.2 and 11.7.2).
_WITH_SCHEME = frozenset({"authorization", "proxy-authorization"})


def shape_headers(token: Token, shape_request: ShapeRequest) -> Shaped:
    """Return `{"Authorization": "Bearer ..."}`, or as kind or configuration require."""
    return _shaped(_headers(token, shape_request))


def merge_headers(parts: Sequence[tuple[Token, ShapeRequest]]) -> Shaped:
    """Return the headers of all in one object.

    Raises `fix-configuration` if two credentials fill the same header with different values.
    """
    merged: dict[str, str] = {}
    # Names are equal in any case (RFC 9110, 5.1).
    filled: dict[str, tuple[str, ShapeRequest]] = {}
    for token, shape_request in parts:
        for name, value in _headers(token, shape_request).items():
            before = filled.setdefault(name.lower(), (value, shape_request))
            if before[0] != value:
                raise _clash(name, before[1], shape_request)
            if before[1] is shape_request:
                merged[name] = value
    return _shaped(merged)


def _headers(token: Token, shape_request: ShapeRequest) -> dict[str, str]:
    secret = one_line_secret(token, shape_request.credential, "headers")
    header = shape_request.header or ("x-api-key" if token.kind == "api-key" else "Authorization")
    name, _, scheme = header.partition(": ")
    if token.kind == "basic":
        secret, scheme = base64.b64encode(secret.encode()).decode(), "Basic"
    elif not scheme and name.lower() in _WITH_SCHEME:
        scheme = "Bearer"
    return {name: f"{scheme} {secret}" if scheme else secret, **dict(shape_request.headers)}


def _clash(name: str, first: ShapeRequest, second: ShapeRequest) -> BrokerError:
    # Where a header is named already, somebody wanted that one.
    other = first if first.header is None and second.header is not None else second
    return BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{first.credential}" and "{second.credential}" both fill the header {name}: '
        f"set header in [credentials.{other.credential}] to another one",
    )


def _shaped(headers: dict[str, str]) -> Shaped:
    body = bytearray(msgspec.json.encode(headers))
    body += b"\n"
    return Shaped(body=body, content_type="application/json")
