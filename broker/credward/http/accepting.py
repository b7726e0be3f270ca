"""Accepting that can be paused: a loop's server on a dup of the listener, closed and made anew.

When to pause is `http11`. The two loops differ in what closing does to connections half made, and
this is the only place that knows.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["Acceptor"]

_CLOSED_BY_NAME = sys.version_info >= (3, 13)


class _Listening(socket.socket):
    """Listens already: a loop that shortens the queue, be it for a moment, turns clients away."""

    def listen(self, backlog: int = 0, /) -> None:
        """Leave it as it is."""


class Acceptor:
    """Makes a protocol for each connection on *listener*, at most *burst* at one go."""

    def __init__(
        self,
        listener: socket.socket,
        make_protocol: Callable[[], asyncio.BaseProtocol],
        *,
        burst: int,
        queue: int,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_standard = isinstance(self._loop, asyncio.SelectorEventLoop)
        self._listener = listener
        self._make_protocol = make_protocol
        self._burst = burst
        self._queue = queue
        self._server: asyncio.Server | None = None
        self._wanted = False
        listener.listen(queue)

    async def start(self) -> None:
        """Accept from now on."""
        self._wanted = True
        if self._server is not None:
            return
        extra: dict[str, Any] = {}
        if _CLOSED_BY_NAME:
            # From 3.13 on closing a server removes its socket file, and pausing closes the server.
            extra["cleanup_socket"] = False
        # The standard loop takes `backlog` connections at one go, before anyone counts; for uvloop
        # it is the length of the queue alone.
        backlog = self._burst if self._is_standard else self._queue
        # A dup: closing what the loop accepts on must not close what clients queue on.
        taken = _Listening(fileno=os.dup(self._listener.fileno()))
        if self._listener.family == socket.AF_UNIX:
            self._server = await self._loop.create_unix_server(
                self._make_protocol, sock=taken, backlog=backlog, **extra
            )
        else:
            self._server = await self._loop.create_server(
                self._make_protocol, sock=taken, backlog=backlog
            )
        if not self._wanted:
            self.stop()

    def stop(self) -> None:
        """Accept no more; connections already made stay, later ones wait in the kernel's queue."""
        self._wanted = False
        server, self._server = self._server, None
        if server is None:
            return
        if self._is_standard:
            # Connections that it has taken become transports a turn later, and need the server.
            for each in server.sockets:
                self._loop.remove_reader(each.fileno())
            self._loop.call_soon(self._loop.call_soon, server.close)
        else:
            # uvloop still holds the connection that it is making a protocol for.
            self._loop.call_soon(server.close)

    def close(self) -> None:
        """Stop, and close the listener: whoever waits in its queue learns that nobody comes."""
        self.stop()
        self._listener.close()
