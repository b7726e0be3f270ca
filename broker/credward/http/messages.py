"""One HTTP request and its response as values, and how a response looks on the wire.

`reading` refuses bad requests; `http11` limits all connections together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus

import msgspec

from credward.callers.peer import Peer
from credward.errors import BrokerError, Kind

__all__ = [
    "Handler",
    "HttpRequest",
    "HttpResponse",
    "RefusedRequest",
    "RenderError",
    "encode_head",
    "status_of",
    "wipe",
]


class HttpRequest(msgspec.Struct, kw_only=True):
    """A whole request: *path* decoded once and without its query, names in *headers* lower case.

    *target*: path and query as they came, if they may be remembered; empty otherwise. *body* may
    hold a secret: the code that had it answered wipes it.
    """

    method: str
    target: bytes
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | bytearray
    peer: Peer

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.path})"


class HttpResponse(msgspec.Struct, kw_only=True):
    """An answer; with *wipe* a bytearray body is zeroed, and no copy outlives the write."""

    status: int
    body: bytes | bytearray = b""
    content_type: str = "application/json"
    headers: Sequence[tuple[str, str]] = ()
    wipe: bool = False

    def __repr__(self) -> str:
        return f"HttpResponse({self.status})"


# A synchronous answer is the hot path: no task, no future.
Handler = Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]

# The door decides how a failure looks: (error, headers as far as read) -> answer.
RenderError = Callable[[BrokerError, Mapping[str, str]], HttpResponse]


class RefusedRequest(BrokerError):  # noqa: N818 - named for what it is
    """A request that no handler takes: *status* says why, *allow* names the allowed verbs."""

    def __init__(
        self, status: int, message: str, kind: Kind = Kind.BAD_REQUEST, *, allow: str = ""
    ) -> None:
        super().__init__(kind, message)
        self.status = status
        self.allow = allow


def status_of(error: BrokerError) -> int:
    """Return the status that answers *error*."""
    own = error.status if isinstance(error, RefusedRequest) else error.kind.status
    return own or Kind.INTERNAL.status


@lru_cache(maxsize=256)
def _opening(status: int, content_type: str) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    start = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {content_type}\r\nContent-Length: "
    return start.encode("ascii")


def encode_head(response: HttpResponse, *, keep_alive: bool) -> bytes:
    """Return status line and headers; a value with a line break in it is a programming error."""
    head = _opening(response.status, response.content_type) + b"%d\r\n" % len(response.body)
    if response.headers:
        lines = "".join([f"{name}: {value}\r\n" for name, value in response.headers])
        if lines.count("\n") != len(response.headers) or lines.count("\r") != len(response.headers):
            raise ValueError("a header value holds a line break")
        head += lines.encode("ascii")
    return head + (b"\r\n" if keep_alive else b"Connection: close\r\n\r\n")


def wipe(body: bytes | bytearray) -> None:
    """Zero *body* in place; immutable bytes stay until they are collected."""
    if isinstance(body, bytearray):
        body[:] = bytes(len(body))
