"""Bytes into requests: sans-IO, strict, and blind to where the bytes were split.

A head is handed to llhttp only when it is complete, and to a fresh parser each time, so no byte of
one request can colour the next. Deadlines and answers are `connection`.
"""

from __future__ import annotations

import re

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from credward.callers.peer import Peer
from credward.http.limits import Limits
from credward.http.messages import HttpRequest, RefusedRequest
from credward.http.targets import read_target

__all__ = ["RequestReader"]

_HEAD_END = b"\r\n\r\n"
_BARE_LF = re.compile(rb"(?<!\r)\n")


class RequestReader:
    """Collects bytes of one connection and gives out whole requests, one at a time."""

    __slots__ = ("_buffer", "_head", "_limits", "_scanned", "headers", "keep_alive")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._scanned = 0
        self._head: _Head | None = None
        self.headers: dict[str, str] = {}
        self.keep_alive = True

    @property
    def pending(self) -> bool:
        """Whether bytes have come that no request has taken yet."""
        return self._head is not None or bool(self._buffer)

    def feed(self, received: bytes | bytearray) -> None:
        """Take bytes; nothing is looked at before `next_request`."""
        self._buffer += received

    def next_request(self, peer: Peer) -> HttpRequest | None:
        """Return the next whole request, None while bytes are missing; raises `RefusedRequest`."""
        head = self._head
        if head is None:
            if (end := self._find_head()) < 0:
                return None
            head = _Head()
            self.headers = head.headers
            head.parse(bytes(self._buffer[:end]), self._limits.body)
            self.keep_alive = head.keep_alive
            self._drop(end)
            self._scanned = 0
        if len(self._buffer) < head.length:
            self._head = head
            return None
        self._head = None
        body = self._buffer[: head.length]
        self._drop(head.length)
        path, query = read_target(head.target)
        return HttpRequest(
            method=head.method,
            path=path,
            query=query,
            headers=head.headers,
            body=body,
            peer=peer,
        )

    def wipe(self) -> None:
        """Overwrite what no request has taken."""
        self._drop(len(self._buffer))

    def _drop(self, size: int) -> None:
        # Deleting alone would leave the bytes where they are.
        self._buffer[:size] = bytes(size)
        del self._buffer[:size]

    def _find_head(self) -> int:
        """Return where the head ends, -1 while it does not; refuse what can never become one."""
        buffer = self._buffer
        if not buffer:
            return -1
        if not 0x41 <= buffer[0] <= 0x5A:
            raise RefusedRequest(400, "not an HTTP/1.1 request")
        found = buffer.find(_HEAD_END, max(0, self._scanned - 3), self._limits.head)
        if found >= 0:
            return found + len(_HEAD_END)
        if len(buffer) >= self._limits.head:
            raise RefusedRequest(431, f"request head is longer than {self._limits.head} bytes")
        if _BARE_LF.search(buffer, max(0, self._scanned - 1)):
            raise RefusedRequest(400, "not an HTTP/1.1 request: a line ends without CR")
        self._scanned = len(buffer)
        return -1


class _Head:
    """One parsed head, checked for what llhttp lets pass."""

    __slots__ = ("_complete", "_flaw", "headers", "keep_alive", "length", "method", "target")

    def __init__(self) -> None:
        self.method = ""
        self.target = b""
        self.headers: dict[str, str] = {}
        self.length = 0
        self.keep_alive = True
        self._complete = False
        self._flaw = ""

    def parse(self, head: bytes, longest_body: int) -> None:
        """Read *head*, which ends with its empty line."""
        parser = HttpRequestParser(self)
        try:
            parser.feed_data(head)
        except HttpParserUpgrade as error:
            raise RefusedRequest(400, "protocol upgrades are not spoken here") from error
        except HttpParserError as error:
            raise RefusedRequest(400, "not an HTTP/1.1 request") from error
        if self._flaw or not self._complete:
            raise RefusedRequest(400, self._flaw or "not an HTTP/1.1 request")
        if parser.get_http_version() != "1.1":
            raise RefusedRequest(400, "HTTP/1.1 is the only version spoken here")
        self.method = parser.get_method().decode("ascii")
        self._check(longest_body)

    def _check(self, longest_body: int) -> None:
        headers = self.headers
        if "host" not in headers:
            raise RefusedRequest(400, "request has no Host header")
        if "transfer-encoding" in headers:
            raise RefusedRequest(411, "body has no Content-Length: chunked bodies are not read")
        if "expect" in headers:
            raise RefusedRequest(417, "Expect is not spoken here: send the body at once")
        if "upgrade" in headers or self.method == "CONNECT":
            raise RefusedRequest(400, "protocol upgrades are not spoken here")
        length = headers.get("content-length")
        if length is not None:
            # llhttp has seen to it that these are digits; a very long number is refused unread.
            self.length = int(length) if len(length) <= 10 else longest_body + 1
            if self.length > longest_body:
                raise RefusedRequest(413, f"request body is longer than {longest_body} bytes")
        connection = headers.get("connection")
        if connection is not None:
            self.keep_alive = "close" not in connection.lower()

    # llhttp's callbacks: an exception in one would reach us wrapped, so they only take notes.

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.lower().decode("ascii")
        if key in self.headers:
            self._flaw = "request repeats a header"
        elif not value.isascii():
            self._flaw = "request header is not ASCII"
        else:
            self.headers[key] = value.decode("ascii").strip(" \t")

    def on_headers_complete(self) -> None:
        self._complete = True
