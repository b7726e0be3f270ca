"""Who is at the other end of a loopback connection: the user at once, the process when it is asked for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from credward.callers.linux_peer import LinuxIdentifier
from credward.callers.looking import Looker
from credward.callers.loopback_peer import LoopbackIdentifier, LoopbackPeer
from credward.errors import BrokerError, Kind

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks netlink")

CLIENT = """
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print(s.fileno(), flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


@pytest.fixture
def processes() -> Iterator[LinuxIdentifier]:
    made = LinuxIdentifier(own_uid=os.geteuid(), user_mode=True, looker=Looker())
    yield made
    made.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def client(listener: socket.socket) -> Iterator[subprocess.Popen[str]]:
    """Another process that has connected, and does what it is told."""
    port = listener.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as made:
        assert made.stdout is not None
        made.stdout.readline()
        yield made
        made.kill()


def tell(client: subprocess.Popen[str], line: str) -> None:
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(line + "\n")
    client.stdin.flush()
    client.stdout.readline()


def identifier(processes: LinuxIdentifier, *served: int) -> LoopbackIdentifier:
    return LoopbackIdentifier(processes, lambda: served or (os.geteuid(),))


@asynccontextmanager
async def located(
    processes: LinuxIdentifier, listener: socket.socket
) -> AsyncIterator[LoopbackPeer]:
    """The process at the other end of the next connection, found."""
    ours, _ = listener.accept()
    with ours:
        peer = identifier(processes).open(ours, "gce:9912")
        try:
            await peer.locate()
            yield peer
        finally:
            peer.close()


async def test_the_process_is_found(
    processes: LinuxIdentifier, listener: socket.socket, client: subprocess.Popen[str]
) -> None:
    """Its program and ancestors too, as for a Unix socket."""
    ours, _ = listener.accept()
    with ours:
        peer = identifier(processes).open(ours, "gce:9912")
        before = peer.identify()
        await peer.locate()
        caller = peer.identify()
        peer.close()
    assert (before.uid, before.pid, before.door) == (os.geteuid(), None, "gce:9912")
    assert (caller.uid, caller.pid, caller.door) == (os.geteuid(), client.pid, "gce:9912")
    assert caller.handle == "socket_inode"
    assert caller.attested
    assert os.getpid() in {each.pid for each in caller.ancestors}


async def test_another_user_is_refused(
    processes: LinuxIdentifier, listener: socket.socket, client: subprocess.Popen[str]
) -> None:
    ours, _ = listener.accept()
    with ours, pytest.raises(BrokerError) as caught:
        identifier(processes, os.geteuid() + 1).open(ours, "gce:9912")
    assert caught.value.kind is Kind.DENIED
    assert str(os.geteuid()) in caught.value.message


async def test_a_socket_that_was_passed_on_is_nobodys(
    processes: LinuxIdentifier, listener: socket.socket, client: subprocess.Popen[str]
) -> None:
    """P4: what it is now is not known, and who it was says nothing."""
    async with located(processes, listener) as peer:
        assert peer.identify().pid == client.pid
        tell(
            client,
            "import os; child = os.fork(); child or __import__('time').sleep(600); s.close()",
        )
        assert peer.identify().pid is None
        await peer.locate()
        found = peer.identify().pid
        tell(client, "os.kill(child, 9); os.waitpid(child, 0)")
    assert found not in {None, client.pid}


async def test_a_process_that_has_ended_is_refused(
    processes: LinuxIdentifier, listener: socket.socket, client: subprocess.Popen[str]
) -> None:
    async with located(processes, listener) as peer:
        client.kill()
        client.wait()
        with pytest.raises(BrokerError) as caught:
            peer.identify()
    assert caught.value.kind is Kind.DENIED


async def test_an_exec_takes_the_program_away(
    processes: LinuxIdentifier, listener: socket.socket, client: subprocess.Popen[str]
) -> None:
    """P3: attested again, and another program is not the one that connected."""
    async with located(processes, listener) as peer:
        assert peer.identify().executable is not None
        assert client.stdin is not None
        client.stdin.write(
            "import os; os.set_inheritable(s.fileno(), True); os.execv('/bin/sleep', ['sleep', '600'])\n"
        )
        client.stdin.flush()
        while (caller := peer.identify()).name != "sleep":
            pass
    assert caller.executable is None


async def test_n4_a_peer_that_is_not_on_loopback_is_refused(processes: LinuxIdentifier) -> None:
    """Bound to everything by mistake, and reached by an address of this machine."""
    address = _own_address()
    with (
        socket.create_server(("0.0.0.0", 0)) as everywhere,
        socket.create_connection((address, everywhere.getsockname()[1])),
    ):
        ours, _ = everywhere.accept()
        with ours, pytest.raises(BrokerError) as caught:
            identifier(processes).open(ours, "gce:9912")
    assert caught.value.message == "this endpoint is for this machine only"


def _own_address() -> str:
    """Return an address of this machine that is not loopback; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
        except OSError as error:
            pytest.skip(f"this machine has no network: {error}")
        address: str = asking.getsockname()[0]
    return address


def test_a_door_of_one_user_is_for_that_user_alone(
    processes: LinuxIdentifier, listener: socket.socket, client: subprocess.Popen[str]
) -> None:
    """Although all of these are served."""
    ours, _ = listener.accept()
    with ours:
        served = identifier(processes, os.geteuid(), os.geteuid() + 1)
        served.open(ours, "gce:9912", only_uid=os.geteuid()).close()
        with pytest.raises(BrokerError, match="not for uid") as caught:
            served.open(ours, "gce:9912", only_uid=os.geteuid() + 1)

    assert caught.value.kind is Kind.DENIED
