"""Tell the service manager (sd_notify(3)) and a waiting parent that the daemon is ready.

Silent where nobody listens; what readiness means is decided in `run`.
"""

from __future__ import annotations

import contextlib
import os
import socket

__all__ = ["Notifier"]

# A service manager that is alive reads at once (seconds).
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
        """Say that the daemon is on its way out."""
        self._send("STOPPING=1")

    def _send(self, lines: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the NUL byte of an abstract address, which only the service manager
        # may choose.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            # A manager that does not read is waited for, but not for ever.
            sender.settimeout(_PATIENCE)
            sender.sendto(lines.encode(), address)
