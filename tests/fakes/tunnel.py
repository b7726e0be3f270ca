"""A proxy for https whose far end is always one stand-in: for programs that know no address but the real one."""

from __future__ import annotations

import http.server
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import trustme

from fakes.http_server import HttpServer

__all__ = ["tunnel"]


@contextmanager
def tunnel(
    handler: type[http.server.BaseHTTPRequestHandler], hosts: Sequence[str], ca: trustme.CA
) -> Iterator[str]:
    """Run it until the end of the block, and give its URL; *ca* vouches for *hosts*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*hosts).configure_cert(context)
    answering: Any = handler

    class Through(answering):
        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", 0)

    with HttpServer(Through) as server:
        yield server.url
