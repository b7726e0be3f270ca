"""Accepting that can be paused: whoever comes meanwhile waits in the kernel's queue.

When to pause is `http11`; what becomes of a connection is `connection`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable

__all__ = ["Acceptor"]

# asm-generic/socket.h; Linux 6.16 and later. The socket module has no name for it.
_SO_PASSRIGHTS = 83
# In one turn of the loop, so that others get theirs in between.
_BURST = 16
# So long nothing is accepted when the process or the machine has no descriptor left (seconds).
_RETRY = 1.0
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """Hands each connection on *listener* to *take*, at once; *queue* is how many may wait."""

    def __init__(
        self, listener: socket.socket, take: Callable[[socket.socket], None], *, queue: int
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._take = take
        self._accepting = False
        self._retry: asyncio.TimerHandle | None = None
        if listener.family == socket.AF_UNIX:
            # Closing a descriptor that a client passed may take as long as the client likes. Nobody
            # has to pass one; kernels before 6.16 cannot refuse them.
            with contextlib.suppress(OSError):
                listener.setsockopt(socket.SOL_SOCKET, _SO_PASSRIGHTS, 0)
        listener.listen(queue)
        # Of those that wait, one may have left before it is accepted.
        listener.setblocking(False)

    def start(self) -> None:
        """Accept from now on."""
        self._forget_retry()
        if not self._accepting:
            self._accepting = True
            self._loop.add_reader(self._listener, self._accept)

    def stop(self) -> None:
        """Accept no more for now."""
        self._forget_retry()
        if self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._listener)

    def close(self) -> None:
        """Stop, and close the listener: whoever waits in its queue learns that nobody comes."""
        self.stop()
        self._listener.close()

    def _accept(self) -> None:
        for _ in range(_BURST):
            if not self._accepting:
                return
            try:
                connected, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_ROOM:
                    # Not to be asked again and again meanwhile.
                    self.stop()
                    self._retry = self._loop.call_later(_RETRY, self.start)
                # Else it is gone already (accept(2), "Error handling").
                return
            if connected.family != socket.AF_UNIX:
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._take(connected)

    def _forget_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
