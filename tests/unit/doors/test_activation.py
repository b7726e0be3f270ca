"""Sockets from the service manager."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import credward
from credward.doors.activation import activated_sockets

# Descriptors from 3 on belong to pytest here, so a child takes them over, as a daemon would.
CHILD = """
import json, os, sys
from credward.errors import BrokerError
from credward.doors.activation import activated_sockets
environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": sys.argv[1]}
if sys.argv[2]:
    environ["LISTEN_FDNAMES"] = sys.argv[2]
try:
    found = activated_sockets(environ, os.getpid())
    sockets = ([("unix", found.unix)] if found.unix else []) + [
        (str(port), each) for port, some in found.loopback.items() for each in some
    ]
    print(json.dumps([[name, each.getsockname(), os.get_inheritable(each.fileno())] for name, each in sockets]))
except BrokerError as error:
    print(json.dumps([error.kind.slug, error.message]))
"""


def activate(sockets, names: str = "", count: str | None = None):
    """Start a child with *sockets* at 3, 4, ... and return what it understood."""
    numbers = [each.fileno() for each in sockets]

    def place() -> None:
        high = [os.dup2(number, 100 + index) for index, number in enumerate(numbers)]
        for index, number in enumerate(high):
            os.dup2(number, 3 + index, inheritable=True)

    result = subprocess.run(
        [sys.executable, "-c", CHILD, count or str(len(sockets)), names],
        preexec_fn=place,
        close_fds=False,
        capture_output=True,
        check=True,
        env={"PYTHONPATH": str(Path(credward.__file__).parents[1])},
    )
    return json.loads(result.stdout)


@pytest.fixture
def listeners(short_dir):
    made = []
    for name in ("a", "b"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(short_dir / name))
        listener.listen()
        made.append(listener)
    yield made
    for each in made:
        each.close()


def test_s10_takes_named_sockets_over(listeners, short_dir):
    """S10: by name, close-on-exec from then on; a Unix socket of another name is not ours."""
    assert activate(listeners, "other:credward") == [["unix", f"{short_dir}/b", False]]


@pytest.mark.parametrize("names", ["", "credward.socket", "unknown"])
def test_s10_the_first_one_is_ours_without_a_name(listeners, short_dir, names):
    """S10: a unit without FileDescriptorName= is named after itself."""
    assert activate(listeners[:1], names) == [["unix", f"{short_dir}/a", False]]


@pytest.mark.parametrize("names", ["credward:metadata-gcp:metadata-gcp", ""])
def test_takes_sockets_on_loopback_by_their_port(listeners, short_dir, names):
    """Several may be of one port; the name of the socket API is for a Unix socket only."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET6) as other:
        port = tcp.getsockname()[1]
        other.bind(("::1", port))
        other.listen()

        found = activate([listeners[0], tcp, other], names)

        assert found == [
            ["unix", f"{short_dir}/a", False],
            [str(port), ["127.0.0.1", port], False],
            [str(port), ["::1", port, 0, 0], False],
        ]
        slug, message = activate([tcp], "credward")
        assert slug == "fix-configuration"
        assert "is not a Unix socket with a path" in message


def test_n4_refuses_a_socket_that_other_machines_reach():
    """N4: an endpoint is for this machine."""
    with socket.create_server(("0.0.0.0", 0)) as tcp:
        port = tcp.getsockname()[1]

        slug, message = activate([tcp], "metadata-gcp")

    assert slug == "fix-configuration"
    assert message == (
        'socket "metadata-gcp" from the service manager is open to other machines, at 0.0.0.0: '
        f"set ListenStream=127.0.0.1:{port}, in its socket unit"
    )


def test_s8_refuses_an_abstract_address():
    """S8: also when the service manager made it."""
    with socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0credward-test-{os.getpid()}")
        abstract.listen()

        slug, message = activate([abstract])

    assert slug == "fix-configuration"
    assert "is not a Unix socket with a path" in message


def test_refuses_what_does_not_listen(short_dir):
    """Accept=yes would hand us a connection; a file is no socket."""
    left, right = socket.socketpair()
    with left, right:
        assert "does not listen" in activate([left])[1]
    with open(short_dir / "file", "w") as file:
        assert "is not a socket" in activate([file])[1]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_PID": "4711"},
        {"LISTEN_FDS": "0", "LISTEN_PID": "4711"},
        {"LISTEN_FDS": "-1", "LISTEN_PID": "4711"},
        {"LISTEN_FDS": "many", "LISTEN_PID": "4711"},
        {"LISTEN_FDS": "999999999999", "LISTEN_PID": "4711"},
    ],
)
def test_ignores_what_is_meant_for_others(environ):
    """Variables inherited from a parent, or nonsense, give nothing."""
    assert not activated_sockets(environ, 4711)
