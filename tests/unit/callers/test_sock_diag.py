"""The kernel says whose the socket at the other end is."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator

import pytest

from credward.callers.sock_diag import SocketFacts, socket_facts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks netlink")


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client, and our end of its connection."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        listener = socket.create_server((request.param, 0), family=family)
    except OSError as error:
        pytest.skip(f"this machine has no {request.param}: {error}")
    with listener, socket.create_connection(listener.getsockname()[:2]) as client:
        ours, _ = listener.accept()
        with ours:
            yield client, ours


def test_a_socket_has_a_user_and_an_inode(pair: tuple[socket.socket, socket.socket]) -> None:
    client, ours = pair
    found = socket_facts(ours.getpeername(), ours.getsockname())
    assert found == SocketFacts(uid=os.geteuid(), inode=os.fstat(client.fileno()).st_ino)


def test_a_closed_socket_has_no_user(pair: tuple[socket.socket, socket.socket]) -> None:
    """The kernel says uid 0 of it, and that is not root."""
    client, ours = pair
    client.close()
    assert socket_facts(ours.getpeername(), ours.getsockname()) is None


def test_an_unknown_socket_is_none(pair: tuple[socket.socket, socket.socket]) -> None:
    _, ours = pair
    host, _, *more = ours.getsockname()
    assert socket_facts((host, 1, *more), ours.getsockname()) is None  # type: ignore[arg-type]


def test_a_client_of_both_families_is_found() -> None:
    """As Java connects by default: over IPv6, to an IPv4 address."""
    with socket.create_server(("127.0.0.1", 0)) as listener, _both_families() as client:
        client.connect((f"::ffff:{listener.getsockname()[0]}", listener.getsockname()[1]))
        ours, _ = listener.accept()
        with ours:
            found = socket_facts(ours.getpeername(), ours.getsockname())
    assert found is not None


def _both_families() -> socket.socket:
    try:
        return socket.socket(socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
