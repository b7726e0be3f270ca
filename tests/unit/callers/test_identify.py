"""Opened at accept, identified anew for each request."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from credward.callers.identify import Peer, PeerIdentifier, attestation_report
from credward.callers.programs import MARKS
from credward.errors import BrokerError, Kind
from waiting import PATIENCE, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,
        socket.socket(socket.AF_UNIX) as listening,
    ):
        listening.bind(f"{folder}/s")
        listening.listen()
        listening.settimeout(PATIENCE)
        yield listening


def connect(
    listener: socket.socket, program: str, stdin: int | None = None
) -> tuple[subprocess.Popen[bytes], Peer]:
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import socket,os,sys,time,subprocess\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n{program}",
            listener.getsockname(),
        ],
        stdin=stdin,
    )
    connection, _ = listener.accept()
    with connection:
        return child, PeerIdentifier(own_uid=os.geteuid()).open(connection)


def test_a_living_peer_is_attested(listener: socket.socket) -> None:
    """Uid, pid, program, and us above it."""
    child, peer = connect(listener, "time.sleep(300)")
    try:
        caller = peer.identify()

        assert (caller.uid, caller.pid) == (os.geteuid(), child.pid)
        assert caller.attested
        assert caller.executable is not None
        assert Path(caller.executable.path).name.startswith("python")
        assert peer.ancestor_pids()[0] == os.getpid()
        assert str(child.pid) in caller.describe()
    finally:
        child.kill()
        child.wait()
        peer.close()


def test_a_dead_peer_is_denied(listener: socket.socket) -> None:
    """Its pid may be somebody else's by now."""
    child, peer = connect(listener, "")
    child.wait()
    with pytest.raises(BrokerError) as caught:
        peer.identify()
    peer.close()

    assert caught.value.kind is Kind.DENIED


def test_p3_exec_after_connect_is_seen(listener: socket.socket) -> None:
    """P3: the same connection, another program."""
    child, peer = connect(
        listener,
        "s.set_inheritable(True); input(); os.execv('/bin/sleep', ['sleep', '300'])",
        stdin=subprocess.PIPE,
    )
    try:
        first = peer.identify().executable
        assert first is not None
        assert child.stdin is not None
        child.stdin.write(b"go on\n")
        child.stdin.close()
        second = until(
            lambda: (found := peer.identify().executable) and found.path != first.path and found
        )

        assert second
        assert Path(second.path).name in {"sleep", "busybox", "coreutils"}
    finally:
        child.kill()
        child.wait()
        peer.close()


def test_p4_an_inherited_connection_dies_with_its_connector(listener: socket.socket) -> None:
    """P4: a child that holds the descriptor cannot ask in a dead parent's name."""
    child, peer = connect(listener, "subprocess.Popen(['sleep', '3'], pass_fds=[s.fileno()])")
    child.wait()
    with pytest.raises(BrokerError):
        peer.identify()
    peer.close()

    assert child.returncode == 0


def test_p5_an_undumpable_peer_has_no_program(listener: socket.socket) -> None:
    """P5: unattested, so no rule that names a program permits it (root can still look)."""
    if os.geteuid() == 0:
        pytest.skip("root reads undumpable processes too")
    child, peer = connect(
        listener, "import ctypes; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); time.sleep(300)"
    )
    try:
        caller = until(lambda: (seen := peer.identify()).executable is None and seen)
        assert caller

        assert caller.executable is None
        assert not caller.attested
    finally:
        child.kill()
        child.wait()
        peer.close()


def test_a_peer_outside_our_pid_namespace_is_unattested() -> None:
    """P6: the kernel has no number for it here."""
    peer = Peer(uid=1, gid=1, pid=None)
    caller = peer.identify()

    assert not caller.attested
    assert caller.pid is None
    assert not caller.ancestry_complete


def test_a_reused_pid_is_not_attributed(monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: the start time has to be the one seen at accept."""
    from credward.callers import linux

    left, right = socket.socketpair()
    with left, right:
        peer = PeerIdentifier(own_uid=os.geteuid()).open(left)
        honest = linux.read_stat(os.getpid())
        assert honest is not None
        other = linux.Stat(honest.name, honest.parent, honest.start_time + 1)
        monkeypatch.setattr(linux, "read_stat", lambda _pid: other)
        with pytest.raises(BrokerError):
            peer.identify()
        peer.close()


def test_the_report_says_full_or_why_not() -> None:
    """For status and doctor."""
    report = attestation_report()

    assert report == "full" or report.startswith("degraded (")


def test_a_mark_of_a_harness_is_seen(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays on a program that left its harness; a foreign uid's memory is not looked into."""
    for mark in MARKS:
        monkeypatch.delenv(mark, raising=False)
    plain, without = connect(listener, "time.sleep(300)")
    monkeypatch.setenv("CLAUDECODE", "1")
    marked, with_mark = connect(listener, "time.sleep(300)")
    try:
        assert without.marked_by() is None
        assert with_mark.marked_by() == "claude"
        with_mark.uid += 1
        assert with_mark.marked_by() is None
    finally:
        for child in (plain, marked):
            child.kill()
            child.wait()
