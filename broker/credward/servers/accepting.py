"""Accepting that can be paused: a loop's server on a dup of the listener, closed and made anew.

When to pause is `http11`. The two loops differ in what closing does to connections half made, and
this is the only place that knows.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["Acceptor"]

_CLOSED_BY_NAME = sys.version_info >= (3, 13)


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
        self._listener = listener
        self._make_protocol = make_protocol
        self._burst = burst
        self._queue = queue
        self._server: asyncio.Server | None = None
        self._wanted = False

    async def start(self) -> None:
        """Accept from now on."""
        self._wanted = True
        if self._server is not None:
            return
        extra: dict[str, Any] = {}
        if _CLOSED_BY_NAME:
            # From 3.13 on closing a server removes its socket file, and pausing closes the server.
            extra["cleanup_socket"] = False
        # A dup: closing what the loop accepts on must not close what clients queue on.
        self._server = await self._loop.create_unix_server(
            self._make_protocol, sock=self._listener.dup(), backlog=self._burst, **extra
        )
        # The standard loop takes `backlog` connections at one go, before anyone counts. Only that
        # is meant to be small; the kernel may queue more.
        self._listener.listen(self._queue)
        if not self._wanted:
            self.stop()

    def stop(self) -> None:
        """Accept no more; connections already made stay, later ones wait in the kernel's queue."""
        self._wanted = False
        server, self._server = self._server, None
        if server is None:
            return
        if isinstance(self._loop, asyncio.SelectorEventLoop):
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
