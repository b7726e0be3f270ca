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
from credward.doors.unix_api.activation import activated_sockets

# Descriptors from 3 on belong to pytest here, so a child takes them over, as a daemon would.
CHILD = """
import json, os, sys
from credward.errors import BrokerError
from credward.doors.unix_api.activation import activated_sockets
environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": sys.argv[1]}
if sys.argv[2]:
    environ["LISTEN_FDNAMES"] = sys.argv[2]
try:
    found = activated_sockets(environ, os.getpid())
    print(json.dumps({name: [each.getsockname(), os.get_inheritable(each.fileno())] for name, each in found.items()}))
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
    """S10: by name, close-on-exec from then on."""
    assert activate(listeners, "credward:metadata-gcp") == {
        "credward": [f"{short_dir}/a", False],
        "metadata-gcp": [f"{short_dir}/b", False],
    }


@pytest.mark.parametrize("names", ["", "credward.socket", "unknown"])
def test_s10_the_first_one_is_ours_without_a_name(listeners, short_dir, names):
    """S10: a unit without FileDescriptorName= is named after itself."""
    assert activate(listeners[:1], names) == {"credward": [f"{short_dir}/a", False]}


def test_takes_loopback_sockets_for_other_doors(listeners, short_dir):
    """A metadata door is TCP, which is fine under its own name only."""
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        found = activate([listeners[0], tcp], "credward:metadata-gcp")
        assert set(found) == {"credward", "metadata-gcp"}

        slug, message = activate([tcp], "credward")
        assert slug == "fix-configuration"
        assert "is not a Unix socket with a path" in message


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
    assert activated_sockets(environ, 4711) == {}
