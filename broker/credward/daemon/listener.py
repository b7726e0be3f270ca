"""A door held open: its socket taken from the service manager or bound, watched, closed in order.

Each door knows how to make its socket safely; `http.http11` speaks on it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket

from credward.doors.door import Door, Opening
from credward.http.http11 import HttpServer

__all__ = ["Listener"]

_log = logging.getLogger(__name__)

# How long running answers get at SIGTERM; with the end of the workers less than two seconds.
_GRACE = 1.2
# How soon a removed runtime directory is noticed (seconds).
_WATCH = 2.0


class Listener:
    """Keeps one door served. *address* is where clients find it."""

    def __init__(self, door: Door) -> None:
        self.address = door.address
        self._door = door
        self._opening: Opening | None = None
        self._server: HttpServer | None = None

    async def open(self, activated: socket.socket | None = None) -> None:
        """Serve the socket that the service manager made, else make our own."""
        server = self._door.serve()
        if activated is not None:
            # The file belongs to the service manager: never watched, never removed.
            self.address = os.fsdecode(activated.getsockname())
            server.start(activated)
        else:
            self._opening = self._door.make_opening()
            server.start(self._opening.socket)
        self._server = server

    async def watch(self) -> None:
        """Make the socket again each time that somebody removes it."""
        while self._opening is not None:
            await asyncio.sleep(_WATCH)
            if not self._opening.still_there():
                await self._reopen(self._opening)

    async def close(self) -> None:
        """Stop listening, remove our socket file, finish the running answers."""
        if self._opening is not None:
            # First the file: new clients then see at once that nobody is here.
            self._opening.remove()
        if self._server is not None:
            await self._server.close(_GRACE)

    async def _reopen(self, lost: Opening) -> None:
        _log.warning("socket %s was removed, making it again", self.address)
        lost.release()
        old, self._server = self._server, self._door.serve()
        self._opening = self._door.make_opening()
        self._server.start(self._opening.socket)
        if old is not None:
            await old.close(_GRACE)
