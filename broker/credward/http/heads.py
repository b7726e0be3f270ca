"""The head of a request: parsed strictly, and remembered if it was answered well.

llhttp gets a head only when it is complete, in a new parser each time, so no byte of one request
can affect the next. `reading` collects the bytes, `targets` parses the target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from credward.http.messages import RefusedRequest
from credward.http.targets import read_target

__all__ = ["Head", "Heads", "IsPlain"]

# Tells whether a request target holds no secret, if it names what exists.
IsPlain = Callable[[bytes], object]

# Headers that hold no secret. A head with any other header or with a body is never kept.
_PLAIN = frozenset({"accept", "accept-encoding", "connection", "host", "user-agent"})
# We remember so many heads, each at most so long (bytes).
_MOST = 256
_LONGEST = 512


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """One parsed head; all but the *length* of the body (bytes) as in `HttpRequest`.

    *raw*: its bytes, if they may be remembered; empty otherwise.
    """

    method: str
    target: bytes
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    length: int
    keep_alive: bool
    raw: bytes

    def __repr__(self) -> str:
        return f"Head({self.method} {self.path})"


class Heads:
    """Reads heads. *is_plain* tells which targets may be remembered."""

    def __init__(self, longest_body: int, is_plain: IsPlain) -> None:
        self._longest_body = longest_body
        self._is_plain = is_plain
        self._known: dict[bytes, Head] = {}

    def read(self, raw: bytes, headers: dict[str, str]) -> Head:
        """Parse *raw*, which ends with its empty line; raises `RefusedRequest`.

        *headers* receives the headers of a refused head, as far as they were read.
        """
        if (known := self._known.get(raw)) is not None:
            return known
        parser = _Parser(headers)
        target = parser.parse(raw)
        length = self._check(parser.method, headers)
        path, query = read_target(target)
        memorable = (
            len(raw) <= _LONGEST and headers.keys() <= _PLAIN and bool(self._is_plain(target))
        )
        return Head(
            method=parser.method,
            target=target if memorable else b"",
            path=path,
            query=query,
            headers=MappingProxyType(headers),
            length=length,
            keep_alive="close" not in headers.get("connection", "").lower(),
            raw=raw if memorable else b"",
        )

    def remember(self, head: Head) -> None:
        """Remember a head whose request was answered well: it holds no mistyped secret."""
        if not head.raw or head.raw in self._known:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[head.raw] = head

    def _check(self, method: str, headers: Mapping[str, str]) -> int:
        """Refuse what llhttp still accepts; return the length of the body."""
        if "host" not in headers:
            raise RefusedRequest(400, "request has no Host header")
        if "transfer-encoding" in headers:
            raise RefusedRequest(
                411, "body has no Content-Length: chunked bodies are not supported"
            )
        if "expect" in headers:
            raise RefusedRequest(417, "Expect is not supported: send the body at once")
        if "upgrade" in headers or method == "CONNECT":
            raise RefusedRequest(400, "protocol upgrades are not supported")
        digits = headers.get("content-length", "0")
        # llhttp has checked that these are digits; a very long number is refused unread.
        length = int(digits) if len(digits) <= 10 else self._longest_body + 1
        if length > self._longest_body:
            raise RefusedRequest(413, f"request body is longer than {self._longest_body} bytes")
        return length


class _Parser:
    """Takes what llhttp reports: an exception in a callback would reach us wrapped."""

    __slots__ = ("_complete", "_flaw", "_headers", "_target", "method")

    def __init__(self, headers: dict[str, str]) -> None:
        self.method = ""
        self._target = b""
        self._headers = headers
        self._complete = False
        self._flaw = ""

    def parse(self, head: bytes) -> bytes:
        """Return the target; method and headers are there then."""
        parser = HttpRequestParser(self)
        try:
            parser.feed_data(head)
        except HttpParserUpgrade as error:
            raise RefusedRequest(400, "protocol upgrades are not supported") from error
        except HttpParserError as error:
            raise RefusedRequest(400, "not an HTTP/1.1 request") from error
        if self._flaw or not self._complete:
            raise RefusedRequest(400, self._flaw or "not an HTTP/1.1 request")
        if parser.get_http_version() != "1.1":
            raise RefusedRequest(400, "only HTTP/1.1 is supported")
        self.method = parser.get_method().decode("ascii")
        return self._target

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.lower().decode("ascii")
        if key in self._headers:
            self._flaw = "request repeats a header"
        elif not value.isascii():
            self._flaw = "request header is not ASCII"
        else:
            self._headers[key] = value.decode("ascii").strip(" \t")

    def on_headers_complete(self) -> None:
        self._complete = True
