"""A forward proxy that takes every host for one server on loopback: for programs whose upstream cannot be set.

Answers CONNECT, speaks TLS in the name of the host (a test's authority vouches for it), and passes the
plain bytes on.
"""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator

import trustme

__all__ = ["leading_to"]


@contextlib.contextmanager
def leading_to(port: int, ca: trustme.CA) -> Iterator[str]:
    """Run one that leads to *port*; yield its URL."""

    class Tunnel(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            words = self.rfile.readline().split()
            while self.rfile.readline().strip():
                pass
            if len(words) < 2 or words[0] != b"CONNECT":
                return
            self.connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ca.issue_cert(words[1].decode().rpartition(":")[0]).configure_cert(context)
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(self.connection, server_side=True) as near,
                socket.create_connection(("127.0.0.1", port)) as far,
            ):
                _pass_on(near, far)

    with _Tunnels(("127.0.0.1", 0), Tunnel) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class _Tunnels(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


def _pass_on(near: ssl.SSLSocket, far: socket.socket) -> None:
    """Pass on what comes on either side, until one of them ends."""
    other: dict[socket.socket, socket.socket] = {near: far, far: near}
    while True:
        ready = [near] if near.pending() else select.select([near, far], [], [])[0]
        for source in ready:
            piece = source.recv(65_536)
            if not piece:
                return
            other[source].sendall(piece)
