"""Tell the service manager (sd_notify(3)) and a waiting parent that the daemon is ready.

Silent if nobody listens; `run` decides when the daemon is ready.
"""

from __future__ import annotations

import contextlib
import os
import socket

__all__ = ["Notifier"]

# A live service manager reads at once (seconds).
_PATIENCE = 1.0


class Notifier:
    """Sends state lines to NOTIFY_SOCKET and one byte to the parent that detached us."""

    def __init__(self, notify_socket: str | None, parent: int | None = None) -> None:
        self._address = notify_socket
        self._parent = parent

    def ready(self, status: str) -> None:
        """Say that requests are answered from now on."""
        self._send(f"READY=1\nSTATUS={status}")
        if self._parent is not None:
            with contextlib.suppress(OSError):
                os.write(self._parent, b"+")
            os.close(self._parent)
            self._parent = None

    def reloading(self, monotonic_microseconds: int) -> None:
        """Say that a reload has begun; `ready` ends it (sd_notify(3), RELOADING=1)."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={monotonic_microseconds}")

    def stopping(self) -> None:
        """Say that the daemon is stopping."""
        self._send("STOPPING=1")

    def _send(self, lines: str) -> None:
        if not self._address:
            return
        # A leading @ means the NUL byte of an abstract address; only the service manager may choose
        # one.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            # Wait for a manager that does not read, but not for ever.
            sender.settimeout(_PATIENCE)
            sender.sendto(lines.encode(), address)
