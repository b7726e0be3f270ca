"""Bytes of one connected socket: read and written at once if the kernel allows it, else we wait.

There is no buffer of a loop's transport in between: it would keep bytes that must be wiped.
`connection` knows what the bytes mean.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

__all__ = ["Stream"]


def _nothing() -> None:
    pass


class Stream:
    """A socket that tells its owner when it *can_read* and when it *can_write*.

    *scratch* takes the bytes of one read, of any stream. It never blocks. `OSError` from any method
    means that the other end is gone.
    """

    __slots__ = ("_can_read", "_can_write", "_loop", "_reading", "_scratch", "_socket", "_writing")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connected: socket.socket,
        scratch: bytearray,
        *,
        can_read: Callable[[], None],
        can_write: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._socket = connected
        self._scratch = scratch
        self._can_read = can_read
        self._can_write = can_write
        self._reading = False
        self._writing = False

    def receive(self) -> bytearray | None:
        """Return the bytes that have come, empty at the end, None if there is nothing yet.

        The caller wipes it.
        """
        try:
            size = self._socket.recv_into(self._scratch, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        received = self._scratch[:size]
        self._scratch[:size] = bytes(size)
        return received

    def send(self, output: memoryview) -> int:
        """Write as much of *output* as the kernel takes, and return how much that is (bytes)."""
        try:
            return self._socket.send(output, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    def end_sending(self) -> None:
        """Tell the other end that nothing more comes; it may still send."""
        self._socket.shutdown(socket.SHUT_WR)

    def wait_to_read(self) -> None:
        """Tell the owner each time that bytes have come."""
        if not self._reading:
            self._reading = True
            self._loop.add_reader(self._socket, self._can_read)

    def pause_reading(self) -> None:
        """Leave new bytes in the kernel."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._socket)

    def wait_to_write(self) -> None:
        """Tell the owner each time that there is room."""
        if not self._writing:
            self._writing = True
            self._loop.add_writer(self._socket, self._can_write)

    def pause_writing(self) -> None:
        """Stop telling the owner."""
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._socket)

    def close(self) -> None:
        """Close it; the owner hears nothing more, and unsent bytes are lost."""
        self.pause_reading()
        self.pause_writing()
        self._socket.close()
        # Its owner is gone; without this the cycle collector would have to free the two.
        self._can_read = self._can_write = _nothing
