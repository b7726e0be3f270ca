"""The real hosts of identity providers on loopback: one TLS server at port 443, under many names.

For a private network namespace whose /etc/hosts says so (`integration/real_urls.py`); what is answered is
the business of the fake that gives the handler.
"""

from __future__ import annotations

import http.server
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import trustme

from fakes.http_server import HttpServer


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
    with HttpServer(handler, address=(address, 443), tls=context):
        yield
