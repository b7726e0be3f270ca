"""Bytes of one connected socket: read and written at once if the kernel allows it, else we wait.

There is no buffer of a loop's transport in between: it would keep bytes that must be wiped.
`connection` knows what the bytes mean.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

__all__ = ["Stream"]


class Stream:
    """One connected *socket*, which it never blocks on.

    *scratch* takes the bytes of one read, of any stream. `OSError` from any method means that the
    other end is gone.
    """

    __slots__ = ("_loop", "_reading", "_scratch", "_writing", "socket")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connected: socket.socket, scratch: bytearray
    ) -> None:
        self._loop = loop
        self.socket = connected
        self._scratch = scratch
        self._reading = False
        self._writing = False

    def receive(self) -> bytearray | None:
        """Return the bytes that have come, empty at the end, None if there is nothing yet.

        The caller wipes it.
        """
        try:
            size = self.socket.recv_into(self._scratch, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        received = self._scratch[:size]
        self._scratch[:size] = bytes(size)
        return received

    def send(self, output: memoryview) -> int:
        """Write as much of *output* as the kernel takes, and return how much that is (bytes)."""
        try:
            return self.socket.send(output, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    def end_sending(self) -> None:
        """Tell the other end that nothing more comes; it may still send."""
        self.socket.shutdown(socket.SHUT_WR)

    def wait_to_read(self, can_read: Callable[[], None]) -> None:
        """Call *can_read* each time that bytes have come."""
        if not self._reading:
            self._reading = True
            self._loop.add_reader(self.socket, can_read)

    def pause_reading(self) -> None:
        """Leave new bytes in the kernel."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self.socket)

    def wait_to_write(self, can_write: Callable[[], None]) -> None:
        """Call *can_write* each time that there is room."""
        if not self._writing:
            self._writing = True
            self._loop.add_writer(self.socket, can_write)

    def pause_writing(self) -> None:
        """Stop calling."""
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self.socket)

    def close(self) -> None:
        """Close it; nothing more is called, and unsent bytes are lost."""
        self.pause_reading()
        self.pause_writing()
        self.socket.close()
