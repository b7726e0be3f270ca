"""A port for a server that has to be told which: nobody else is given it before that one listens."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

__all__ = ["kept_port"]


@contextlib.contextmanager
def kept_port() -> Iterator[int]:
    """Return a port of the loopback that is ours until the end of the block.

    The server may bind it too if it says SO_REUSEADDR, as servers do, for we never listen. Neither
    another bind nor another connection is given it by the kernel, not even the one by which somebody
    looks whether the server listens yet, which would otherwise meet itself once in a while.
    """
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        port: int = kept.getsockname()[1]
        yield port
