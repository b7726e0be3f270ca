"""Accepting that can be paused: new clients then wait in the kernel's queue.

`http11` decides when to pause; `connection` handles each connection.
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
# At most so many per turn of the loop, so that other work gets its turn.
_BURST = 16
# Nothing is accepted for so long when the process or the machine is out of descriptors (seconds).
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
            # A client can make the close of a descriptor that it passed take as long as it likes.
            # Nobody needs to pass one; kernels before 6.16 cannot refuse them.
            with contextlib.suppress(OSError):
                listener.setsockopt(socket.SOL_SOCKET, _SO_PASSRIGHTS, 0)
        listener.listen(queue)
        # A waiting client may leave before it is accepted.
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
        """Stop, and close the listener: clients in its queue see that nobody answers."""
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
                    # So that the loop does not call us again and again meanwhile.
                    self.stop()
                    self._retry = self._loop.call_later(_RETRY, self.start)
                # Otherwise it is gone already (accept(2), "Error handling").
                return
            if connected.family != socket.AF_UNIX:
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._take(connected)

    def _forget_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
