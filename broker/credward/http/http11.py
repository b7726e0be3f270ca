"""HTTP/1.1 on a listening socket: accept, count, pause before descriptors run out, close.

`connection` handles one connection, `reading` parses its bytes; the handler decides what to answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from credward.callers.peer import Peer
from credward.errors import BrokerError, Kind
from credward.http.accepting import Acceptor
from credward.http.connection import Connection
from credward.http.heads import Heads, IsPlain
from credward.http.limits import Budget, Limits, budget_for
from credward.http.messages import Handler, HttpRequest, HttpResponse, RenderError

__all__ = ["Handler", "HttpRequest", "HttpResponse", "HttpServer", "Limits", "OpenPeer"]

_log = logging.getLogger(__name__)

OpenPeer = Callable[[socket.socket], Peer]

# A connection that has sent nothing yet gets this much of the grace (seconds).
_SILENT_GRACE = 0.2
# How much of one client's data is read in one turn of the loop (bytes).
_READ = 64 * 1024


class HttpServer:
    """Serves one listening socket. Made and used inside a running loop.

    *is_plain*: this request target certainly holds no secret, so it may be remembered.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        open_peer: OpenPeer,
        render_error: RenderError,
        is_plain: IsPlain,
        limits: Limits | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.limits = limits or Limits()
        self.heads = Heads(self.limits.body, is_plain)
        self.handler = handler
        self.render_error = render_error
        self.closing = False
        # The bytes of one read, of any connection: taken out and wiped before the next one.
        self.scratch = bytearray(_READ)
        self._open_peer = open_peer
        self._connections: set[Connection] = set()
        self._lingering: set[Connection] = set()
        self._per_pid: dict[tuple[int, int | None], int] = {}
        self._tasks: set[asyncio.Future[Any]] = set()
        self._acceptor: Acceptor | None = None
        self._budget: Budget = budget_for(self.limits, descriptors=1024, already_open=32)
        self._paused = False
        self._all_gone = asyncio.Event()

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    @property
    def crowded(self) -> bool:
        """Whether accepting is paused."""
        return self._paused

    def start(self, listener: socket.socket) -> None:
        """Accept on *listener*, which the server now owns, instead of an earlier one."""
        if self._acceptor is not None:
            self._acceptor.close()
        self._budget = budget_for(
            self.limits,
            descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            already_open=_open_descriptors(),
        )
        self._acceptor = Acceptor(listener, self._take, queue=self.limits.accept_queue)
        if not self._paused:
            self._acceptor.start()

    async def close(self, grace: float = 1.2) -> None:
        """Stop accepting, let answers in progress finish for *grace* seconds, then close all."""
        self.closing = True
        if self._acceptor is not None:
            self._acceptor.close()
        self._close_idle()
        if not self._connections:
            self._all_gone.set()
        await self._wait_until_gone(min(grace, _SILENT_GRACE))
        for connection in list(self._connections):
            connection.hang_up()
        await self._wait_until_gone(grace - _SILENT_GRACE)
        for connection in list(self._connections):
            connection.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._wait_until_gone(0.1)

    # --- what connections call ----------------------------------------------------------------

    def admit(self, connected: socket.socket) -> Peer:
        """Return who connected, or raise `BrokerError`: not allowed, or too many already."""
        try:
            peer = self._open_peer(connected)
        except BrokerError:
            raise
        except OSError as error:
            raise BrokerError(Kind.DENIED, "the kernel does not say who connected") from error
        key = (peer.uid, peer.pid)
        connected_already = self._per_pid.get(key, 0)
        if connected_already >= self.limits.connections_per_pid:
            peer.close()
            # At an endpoint the process is known later, so all of a user count together.
            who = f"uid {peer.uid}" if peer.pid is None else f"process {peer.pid}"
            raise BrokerError(
                Kind.RATE_LIMITED,
                f"{who} already holds {self.limits.connections_per_pid} connections here",
                retry_after=1.0,
            )
        self._per_pid[key] = connected_already + 1
        return peer

    def may_linger(self, connection: Connection) -> bool:
        """Return whether a refused connection may stay for a moment, and count it if so."""
        if len(self._lingering) >= self._budget.lingering:
            return False
        self._lingering.add(connection)
        return True

    def forget(self, connection: Connection) -> None:
        """Note that *connection* is gone; accept again once there is room."""
        self._connections.discard(connection)
        self._lingering.discard(connection)
        if (peer := connection.peer) is not None:
            key = (peer.uid, peer.pid)
            left = self._per_pid.pop(key) - 1
            if left > 0:
                self._per_pid[key] = left
        if self.closing and not self._connections:
            self._all_gone.set()
        if self._paused and len(self._connections) <= self._budget.resume_at:
            self._resume()

    def own(self, answer: Awaitable[HttpResponse]) -> asyncio.Future[HttpResponse]:
        """Run *answer* to its end; nobody else cancels it."""
        future: asyncio.Future[HttpResponse]
        if isinstance(answer, asyncio.Future):
            future = answer
        else:
            future = self.loop.create_task(_as_coroutine(answer))
        self._tasks.add(future)
        future.add_done_callback(self._tasks.discard)
        return future

    # --- accepting ----------------------------------------------------------------------------

    def _take(self, connected: socket.socket) -> None:
        connection = Connection(self, connected)
        self._connections.add(connection)
        if len(self._connections) >= self._budget.pause_at and not self._paused:
            self._pause()
        connection.begin()

    def _pause(self) -> None:
        self._paused = True
        _log.warning("%d connections: accepting is paused", len(self._connections))
        if self._acceptor is not None:
            self._acceptor.stop()
        self._close_idle()

    def _close_idle(self) -> None:
        for connection in list(self._connections):
            if connection.idle:
                connection.close()

    def _resume(self) -> None:
        self._paused = False
        if self._acceptor is not None and not self.closing:
            self._acceptor.start()

    async def _wait_until_gone(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_gone.wait(), max(0.0, seconds))


async def _as_coroutine(answer: Awaitable[HttpResponse]) -> HttpResponse:
    return await answer


def _open_descriptors() -> int:
    for directory in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return sum(1 for _ in Path(directory).iterdir())
    return 32
