"""The daemon's main socket: taken from the service manager or bound, watched, closed in order.

How a socket is made safely is `doors.unix_api.listen`, what is spoken on it `http.http11`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from pathlib import Path

from credward.config import ListenConfig
from credward.doors.unix_api.listen import SocketFile, bind_socket
from credward.http.http11 import HttpServer

__all__ = ["Listener"]

_log = logging.getLogger(__name__)

# In-flight answers get this long at SIGTERM; with the workers' end it stays under two seconds.
_GRACE = 1.2
# How soon a removed runtime directory is noticed (seconds).
_WATCH = 2.0


class Listener:
    """Keeps one Unix socket served. *make_server* builds the server for a new listening socket."""

    def __init__(
        self, make_server: Callable[[], HttpServer], path: Path, listen: ListenConfig
    ) -> None:
        self.path = path
        self._make_server = make_server
        self._listen = listen
        self._file: SocketFile | None = None
        self._server: HttpServer | None = None

    async def open(self, activated: socket.socket | None) -> None:
        """Serve the socket that the service manager made, else make our own."""
        server = self._make_server()
        if activated is not None:
            # The file belongs to the service manager: never watched, never removed.
            self.path = Path(activated.getsockname())
            await server.start(activated)
        else:
            self._file = bind_socket(self.path, self._listen.mode, group=self._listen.group)
            await server.start(self._file.socket)
        self._server = server

    async def watch(self) -> None:
        """Make the socket again whenever somebody removed it underneath us."""
        while self._file is not None:
            await asyncio.sleep(_WATCH)
            if not self._file.still_there():
                await self._reopen(self._file)

    async def close(self) -> None:
        """Stop listening, remove our file, finish the answers in flight."""
        if self._file is not None:
            # First the file: whoever comes now learns at once that nobody is here.
            self._file.remove()
        if self._server is not None:
            await self._server.close(_GRACE)

    async def _reopen(self, lost: SocketFile) -> None:
        _log.warning("socket %s was removed, making it again", self.path)
        lost.release()
        old, self._server = self._server, self._make_server()
        self._file = bind_socket(self.path, self._listen.mode, group=self._listen.group)
        await self._server.start(self._file.socket)
        if old is not None:
            await old.close(_GRACE)
