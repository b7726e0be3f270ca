"""Passes bytes on to a server on loopback, until it is told to hang, or to trickle.

Who hangs accepts, and never answers; what arrives then never reaches the server behind. Who trickles
answers so slowly that nobody lives to see the end, but never keeps silent for long.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Self

# From one byte of a trickle to the next (seconds): the smallest answer takes half a minute.
_PACE = 0.4


class Relay:
    """Listens on `port` for whatever is served on *behind*."""

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self._hangs = threading.Event()
        self._trickles = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone would not wake whoever accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._drop()

    def hang(self) -> None:
        """Answer nothing from now on."""
        self._hangs.set()

    def trickle(self) -> None:
        """Answer a byte at a time from now on."""
        self._trickles.set()

    def resume(self) -> None:
        """Answer again; what hung is closed."""
        self._drop()
        self._hangs.clear()
        self._trickles.clear()

    def _drop(self) -> None:
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._sockets.add(near)
            # Not even a connection: a server that shakes hands before it accepts again would hang too.
            if self._hangs.is_set():
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._behind))
            except OSError:
                near.close()
                continue
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets.add(far)
            for source, target in ((near, far), (far, near)):
                words = (source, target, source is far)
                threading.Thread(target=self._pump, args=words, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, answering: bool) -> None:
        with contextlib.suppress(OSError):
            while some := source.recv(65536):
                while answering and some and self._trickles.is_set():
                    target.sendall(some[:1])
                    some = some[1:]
                    time.sleep(_PACE)
                if not self._hangs.is_set():
                    target.sendall(some)
            if not self._hangs.is_set():
                target.shutdown(socket.SHUT_WR)
