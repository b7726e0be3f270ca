"""What all stand-ins on HTTP share: a loopback server in threads, and a handler that is quick and quiet."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["Handler", "HttpServer", "Service"]


class Handler(http.server.BaseHTTPRequestHandler):
    """Speaks HTTP/1.1, and of nothing."""

    protocol_version = "HTTP/1.1"
    # Head and body leave as two packets, and the second would wait 40 ms for an acknowledgement.
    disable_nagle_algorithm = True

    def body(self) -> bytes:
        """Return what the request brought; to be called once."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def reply(self, status: int, body: bytes, headers: Mapping[str, str] = {}) -> None:
        """Answer with all that there is."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


class HttpServer:
    """Listens from the start on, at `url`; answers within its block, each connection in a thread."""

    def __init__(
        self,
        handler: type[http.server.BaseHTTPRequestHandler],
        *,
        address: tuple[str, int] = ("127.0.0.1", 0),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server = _Threads(address, handler)
        if tls is not None:
            # The handshake is made by the thread of a connection: one that fails holds up no other.
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self._server.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(slots=True, kw_only=True)
class Service:
    """A stand-in that serves within its block, at `url`, with the handler that `answering` makes."""

    tls: ssl.SSLContext | None = None
    _server: HttpServer | None = field(default=None, init=False)

    def answering(self) -> type[Handler]:
        """Return what answers one request."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        assert self._server is not None
        return self._server.url

    def __enter__(self) -> Self:
        self._server = HttpServer(self.answering(), tls=self.tls).__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._server is not None
        self._server.__exit__()


class _Threads(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # Many may come at once, and the kernel lets those that find no room wait a second.
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that the other side gave up."""
