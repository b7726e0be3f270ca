"""Bytes into requests: sans-IO, strict; it does not matter where the bytes were split.

`heads` parses a complete head; `connection` handles deadlines and answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from credward.callers.peer import Peer
from credward.http.heads import Head, Heads
from credward.http.limits import Limits
from credward.http.messages import HttpRequest, RefusedRequest

__all__ = ["RequestReader"]

_HEAD_END = b"\r\n\r\n"
_BARE_LF = re.compile(rb"(?<!\r)\n")


class RequestReader:
    """Collects bytes of one connection and gives out whole requests, one at a time."""

    __slots__ = (
        "_buffer",
        "_head",
        "_heads",
        "_last",
        "_limits",
        "_scanned",
        "headers",
        "keep_alive",
    )

    def __init__(self, limits: Limits, heads: Heads) -> None:
        self._limits = limits
        self._heads = heads
        self._buffer = bytearray()
        self._scanned = 0
        self._head: Head | None = None
        self._last: Head | None = None
        self.headers: Mapping[str, str] = {}
        self.keep_alive = True

    @property
    def pending(self) -> bool:
        """Whether there are bytes that belong to no request yet."""
        return self._head is not None or bool(self._buffer)

    def feed(self, received: bytes | bytearray) -> None:
        """Take bytes; nothing is parsed before `next_request`."""
        self._buffer += received

    def next_request(self, peer: Peer) -> HttpRequest | None:
        """Return the next whole request, None while bytes are missing; raises `RefusedRequest`."""
        head = self._head
        if head is None:
            if (end := self._find_head()) < 0:
                return None
            headers: dict[str, str] = {}
            self.headers = headers
            head = self._heads.read(bytes(self._buffer[:end]), headers)
            self.headers = head.headers
            self.keep_alive = head.keep_alive
            self._drop(end)
            self._scanned = 0
            self._last = head
        if len(self._buffer) < head.length:
            self._head = head
            return None
        self._head = None
        body = self._buffer[: head.length]
        if body:
            self._drop(head.length)
        return HttpRequest(
            method=head.method,
            target=head.target,
            path=head.path,
            query=head.query,
            headers=head.headers,
            body=body,
            peer=peer,
        )

    def answered_well(self) -> None:
        """Note that the last request was no failure: the same may come often."""
        if self._last is not None:
            self._heads.remember(self._last)

    def wipe(self) -> None:
        """Overwrite the bytes that belong to no request."""
        if self._buffer:
            self._drop(len(self._buffer))

    def _drop(self, size: int) -> None:
        # Deleting alone would leave the bytes in memory.
        self._buffer[:size] = bytes(size)
        del self._buffer[:size]

    def _find_head(self) -> int:
        """Return where the head ends, or -1 if incomplete; refuse what can never become one."""
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
