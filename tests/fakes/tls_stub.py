"""The real hosts of identity providers on loopback: one TLS server at port 443, under many names.

For a private network namespace whose /etc/hosts says so (`integration/real_urls.py`); what is answered is
the business of the fake that gives the handler.
"""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import trustme


@contextmanager
def serving_tls(
    handler: type[http.server.BaseHTTPRequestHandler],
    hosts: Sequence[str],
    ca: trustme.CA,
    *,
    address: str = "127.0.0.1",
) -> Iterator[None]:
    """Serve *handler* as all *hosts* at port 443; *ca* vouches for it, and for clients that may say who they are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*hosts).configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    server = http.server.ThreadingHTTPServer((address, 443), handler)
    server.daemon_threads = True
    # The handshake is made by the thread of a connection: one that fails holds up no other.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    # A client that does not trust us hangs up in the middle of it, which is nothing to write about.
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
