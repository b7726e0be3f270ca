"""One HTTP request and its response as values, and how a response looks on the wire.

What is refused while reading is `connection`; limits over all connections are `http11`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from credward.errors import BrokerError, Kind

if TYPE_CHECKING:
    from credward.callers.identify import Peer

__all__ = ["Handler", "HttpRequest", "HttpResponse", "RefusedRequest", "RenderError", "encode_head"]


@dataclass(slots=True, kw_only=True)
class HttpRequest:
    """A whole request: *path* decoded once and without its query, names in *headers* lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    peer: Peer


@dataclass(slots=True, kw_only=True)
class HttpResponse:
    """An answer; with *wipe* a bytearray body is zeroed as soon as the kernel has it."""

    status: int
    body: bytes | bytearray = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = field(default=())
    wipe: bool = False


# A synchronous answer is the hot path: no task, no future.
Handler = Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]

# How a failure looks is the business of the door: (error, request headers as far as read) -> answer.
RenderError = Callable[[BrokerError, Mapping[str, str]], HttpResponse]


class RefusedRequest(BrokerError):
    """A request that never reaches a handler, or a verb it does not have: *status* says which way."""

    def __init__(self, status: int, message: str, kind: Kind = Kind.BAD_REQUEST) -> None:
        super().__init__(kind, message)
        self.status = status


@lru_cache(maxsize=256)
def _opening(status: int, content_type: str) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {content_type}\r\nContent-Length: ".encode()
    )


def encode_head(response: HttpResponse, *, keep_alive: bool) -> bytes:
    """Return status line and headers; a value with a line break in it is a programming error."""
    head = _opening(response.status, response.content_type) + b"%d\r\n" % len(response.body)
    if response.headers:
        lines = "".join([f"{name}: {value}\r\n" for name, value in response.headers])
        if lines.count("\n") != len(response.headers) or lines.count("\r") != len(response.headers):
            raise ValueError("a header value holds a line break")
        head += lines.encode("ascii")
    return head + (b"\r\n" if keep_alive else b"Connection: close\r\n\r\n")
