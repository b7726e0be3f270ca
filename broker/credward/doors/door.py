"""A door: a listener, who is found at its other end, what is answered, how failures look.

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
    """A listening socket and what stands for it, such as a file."""

    @property
    def socket(self) -> socket.socket:
        """The socket; it listens, and is closed by who accepts on it."""
        ...

    def still_there(self) -> bool:
        """Return whether clients that look for it still find this one."""
        ...

    def remove(self) -> None:
        """Have new clients learn at once that nobody is here."""
        ...

    def release(self) -> None:
        """Let another one be made at the same place; what was lost is left alone."""
        ...


def never_plain(_target: bytes) -> bool:
    """Return that anything may be a secret."""
    return False


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """One way in. *name* is what people call it, *address* where it is.

    *make_opening* makes the listener, anew when it was removed underneath us; raises `BrokerError`.
    *is_plain* as in `HttpServer`.
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
