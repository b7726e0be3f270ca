"""A door: a listener, how it finds who is at the other end, its answers, how failures look.

The daemon opens and closes a list of them (`daemon.listener`); HTTP as such is `http`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

import msgspec

from credward.http.heads import IsPlain
from credward.http.http11 import HttpServer, Limits, OpenPeer
from credward.http.messages import Handler, RenderError

__all__ = ["Door", "Opening"]


class Opening(Protocol):
    """A listening socket and what represents it, such as a file."""

    @property
    def socket(self) -> socket.socket:
        """The socket; it listens, and the code that accepts on it closes it."""
        ...

    def still_there(self) -> bool:
        """Return whether clients that look for it still find this socket."""
        ...

    def remove(self) -> None:
        """Make new clients see at once that nobody is here."""
        ...

    def release(self) -> None:
        """Make room for another one at the same place; do not touch what was lost."""
        ...


def never_plain(_target: bytes) -> bool:
    """Return False: anything may be a secret."""
    return False


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """One way in. *name* is what people call it, *address* where it is.

    *make_opening* makes the listener, and makes it again if somebody removed it; raises
    `BrokerError`. *is_plain* as in `HttpServer`.
    """

    name: str
    address: str
    make_opening: Callable[[], Opening]
    open_peer: OpenPeer
    handler: Handler
    render_error: RenderError
    is_plain: IsPlain = never_plain
    limits: Limits | None = None

    def serve(self) -> HttpServer:
        """Return a server for one listener; made inside a running loop."""
        return HttpServer(
            self.handler,
            open_peer=self.open_peer,
            render_error=self.render_error,
            is_plain=self.is_plain,
            limits=self.limits,
        )
