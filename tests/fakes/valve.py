"""A valve in the line to a far side: shut, it takes connections and requests, and nothing ever comes back.

What an identity provider that hangs looks like from here. TLS passes through as any other bytes.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Valve"]


class Valve:
    """A context manager; `url` leads through it to *target*. `asked` counts what came while shut."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        assert parts.port is not None
        self._target = ("127.0.0.1", parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{parts.scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open = threading.Event()
        self._open.set()
        self._lines: list[socket.socket] = []
        self.asked = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._open.set()
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def shut(self) -> None:
        """Let nothing through, on connections that are open already neither."""
        self._open.clear()

    def open(self) -> None:
        """Let everything through again, what waited too."""
        self._open.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._lines += [near, far]
                threading.Thread(target=self._pump, args=(near, far), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not self._open.is_set():
                    self.asked += 1
                    self._open.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
