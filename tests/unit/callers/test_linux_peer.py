"""Opened at accept, identified anew for each request."""

import array
import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from credward.callers import linux
from credward.callers.ancestry import Stat
from credward.callers.caller import Caller, Executable
from credward.callers.linux_peer import Connected, LinuxIdentifier, LinuxPeer
from credward.callers.looking import Looker
from credward.callers.programs import MARKS, UNKNOWN_HARNESS
from credward.errors import BrokerError, Kind
from waiting import PATIENCE, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

CONNECT = (
    "import socket,os,sys,time,subprocess,ctypes\n"
    "s=socket.socket(socket.AF_UNIX)\n"
    "s.connect(sys.argv[1])\n"
)


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


@pytest.fixture
def identifier() -> Iterator[LinuxIdentifier]:
    made = LinuxIdentifier(own_uid=os.geteuid(), user_mode=True, looker=Looker())
    yield made
    made.close()


@contextlib.contextmanager
def connected(
    listener: socket.socket,
    identifier: LinuxIdentifier,
    program: str,
    *,
    python: str | Path = sys.executable,
    **words: Any,
) -> Iterator[tuple[subprocess.Popen[bytes], LinuxPeer]]:
    """Start a program that connects, and accept it."""
    child = subprocess.Popen(
        [python, "-c", CONNECT + program, listener.getsockname()], stdin=subprocess.PIPE, **words
    )
    connection, _ = listener.accept()
    with connection:
        peer = identifier.open(connection)
        peer.pin()
    try:
        yield child, peer
    finally:
        child.kill()
        child.communicate()
        peer.close()


def go_on(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    child.stdin.write(b"go on\n")
    child.stdin.flush()


def test_a_living_peer_is_attested(listener: socket.socket, identifier: LinuxIdentifier) -> None:
    """Uid, pid, program, and us above it."""
    with connected(listener, identifier, "time.sleep(300)") as (child, peer):
        caller = peer.identify()

        assert (caller.uid, caller.pid) == (os.geteuid(), child.pid)
        assert caller.attested
        assert caller.attestable
        assert caller.relay is None
        assert caller.executable is not None
        assert Path(caller.executable.path).name.startswith("python")
        assert peer.identify().ancestors[0].pid == os.getpid()
        assert caller.name is not None
        assert caller.name.startswith("python")


def test_a_dead_peer_is_denied(listener: socket.socket, identifier: LinuxIdentifier) -> None:
    """Its pid may be somebody else's by now."""
    with connected(listener, identifier, "") as (child, peer):
        child.wait()
        with pytest.raises(BrokerError) as caught:
            peer.identify()

    assert caught.value.kind is Kind.DENIED


def test_p3_s5_a_program_that_came_after_connect_is_not_attested(
    listener: socket.socket, identifier: LinuxIdentifier
) -> None:
    """P3, S-5: whoever connected may have written on the connection what an allowed program seems to ask."""
    program = "s.set_inheritable(True); input(); os.execv('/bin/sleep', ['sleep', '300'])"
    with connected(listener, identifier, program) as (child, peer):
        first = peer.identify()
        go_on(child)
        second = until(lambda: (seen := peer.identify()).executable is None and seen)

        assert first.attested
        assert not second.attested
        assert second.pid == first.pid
        assert Path(linux.program_path(child.pid) or "").name in {"sleep", "busybox", "coreutils"}


def test_s5_one_that_came_back_is_not_attested_any_more(
    listener: socket.socket, identifier: LinuxIdentifier
) -> None:
    """S-5: for the rest of the connection, once another program was seen on it."""
    back = f"exec {sys.executable} -c 'import time; time.sleep(300)'"
    shell = f"os.execv('/bin/sh', ['sh', '-c', \"read line; {back}\"])"
    with connected(listener, identifier, f"input(); {shell}") as (child, peer):
        assert peer.identify().executable is not None
        go_on(child)
        command = Path(f"/proc/{child.pid}/cmdline")
        until(lambda: command.read_bytes().startswith(b"sh\0"))
        assert peer.identify().executable is None
        go_on(child)
        until(lambda: not command.read_bytes().startswith(b"sh\0"))

        assert peer.identify().executable is None


def test_p4_an_inherited_connection_dies_with_its_connector(
    listener: socket.socket, identifier: LinuxIdentifier
) -> None:
    """P4: a child that holds the descriptor cannot ask in a dead parent's name."""
    program = "subprocess.Popen(['sleep', '3'], pass_fds=[s.fileno()])"
    with connected(listener, identifier, program) as (child, peer):
        child.wait()
        with pytest.raises(BrokerError):
            peer.identify()

        assert child.returncode == 0


def test_p4_s5_a_connection_that_was_passed_on_is_its_connectors(
    listener: socket.socket, identifier: LinuxIdentifier
) -> None:
    """P4, S-5: handed over by SCM_RIGHTS, it asks as whoever connected, as long as that one lives."""
    ours, theirs = socket.socketpair()
    program = (
        "import array; t = socket.socket(fileno=int(sys.argv[2]))\n"
        "t.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [s.fileno()]))])\n"
        "time.sleep(300)"
    )
    with ours, theirs:
        child = subprocess.Popen(
            [
                *(sys.executable, "-c", CONNECT + program),
                listener.getsockname(),
                str(theirs.fileno()),
            ],
            pass_fds=[theirs.fileno()],
        )
        near, _ = listener.accept()
        peer = identifier.open(near)
        try:
            size = array.array("i", [0]).itemsize
            _, rights, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(size))
            (handed,) = array.array("i", rights[0][2])
            with socket.socket(fileno=handed) as passed_on:
                passed_on.sendall(b"whose")
                assert near.recv(5) == b"whose"
                assert peer.identify().pid == child.pid
                child.kill()
                child.wait()
                with pytest.raises(BrokerError):
                    peer.identify()
        finally:
            child.kill()
            child.wait()
            near.close()
            peer.close()


def test_p5_an_undumpable_peer_has_no_program(
    listener: socket.socket, identifier: LinuxIdentifier
) -> None:
    """P5: unattested, so no rule that names a program permits it (root can still look)."""
    if os.geteuid() == 0:
        pytest.skip("root reads undumpable processes too")
    program = "ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); time.sleep(300)"
    with connected(listener, identifier, program) as (_, peer):
        caller = until(lambda: (seen := peer.identify()).executable is None and seen)

        assert not caller.attested


def test_a_peer_outside_our_pid_namespace_is_unattested(identifier: LinuxIdentifier) -> None:
    """P6: the kernel has no number for it here."""
    peer = LinuxPeer(
        Connected(uid=1, gid=1, pid=None, handle=None, kind=None),
        processes=identifier._processes,
        chains=identifier._chains,
        marks=identifier._marks,
        own_uid=0,
        relays_above=True,
    )
    caller = peer.identify()

    assert not caller.attested
    assert caller.pid is None
    assert not caller.ancestry_complete


def test_p3_s4_another_file_at_the_path_of_the_program_is_not_attested(
    listener: socket.socket, identifier: LinuxIdentifier, tmp_path: Path
) -> None:
    """P3, S-4: in a mount namespace of its own a program may exec what it put at its own path."""
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    shutil.copy(os.path.realpath(sys.executable), allowed)
    shutil.copy("/bin/sleep", other)
    program = (
        "s.set_inheritable(True); input(); libc = ctypes.CDLL(None)\n"
        # CLONE_NEWUSER and CLONE_NEWNS, MS_REC and MS_PRIVATE, MS_BIND
        "libc.unshare(0x10000000 | 0x20000) and sys.exit(5)\n"
        "libc.mount(None, b'/', None, 0x44000, None)\n"
        f"libc.mount({bytes(other)!r}, {bytes(allowed)!r}, None, 0x1000, None)\n"
        f"os.execv({str(allowed)!r}, ['allowed', '300'])"
    )
    with connected(listener, identifier, program, python=allowed) as (child, peer):
        assert peer.identify().executable == Executable(path=str(allowed))
        go_on(child)
        if until(lambda: child.poll() or linux.read_stat(child.pid).name == "allowed") == 5:
            pytest.skip("user namespaces are not permitted here (unshare)")
        until(lambda: os.stat(f"/proc/{child.pid}/exe").st_ino == other.stat().st_ino)

        assert linux.program_path(child.pid) == str(allowed)
        assert not peer.identify().attested


def test_p2_a_handle_that_the_kernel_does_not_give_is_no_reason_to_ask_by_number(
    identifier: LinuxIdentifier,
) -> None:
    """P2: it is gone then, and its pid perhaps somebody else's."""

    class Gone:
        def getsockopt(self, _level: int, option: int, size: int) -> bytes:
            if option == socket.SO_PEERCRED:
                return linux._CREDENTIALS.pack(os.getpid(), os.geteuid(), os.getegid())
            raise OSError(errno.ESRCH, "no such process")

    peer = identifier.open(Gone())
    assert not peer.identify().attested


LAST_PID = Path("/proc/sys/kernel/ns_last_pid")


@contextlib.contextmanager
def owner_of(pid: int) -> Iterator[None]:
    """Start another process with a pid that has just been given back."""
    for _ in range(200):
        try:
            LAST_PID.write_text(str(pid - 1))
        except OSError:
            pytest.skip("only root may say which pid is next")
        started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        try:
            if started.pid == pid:
                yield
                return
        finally:
            started.communicate(b"\n")
    pytest.skip("others took that pid each time")


@pytest.mark.parametrize("kind", ["peerpidfd", "pidfd_open"])
def test_p2_a_reused_pid_is_not_attributed(
    listener: socket.socket,
    identifier: LinuxIdentifier,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """P2: the connection lives on in a child, and its pid belongs to another process."""
    if kind == "pidfd_open":
        monkeypatch.setattr(linux, "peer_handle", lambda _: None)
    # The one that stays holds the connection until its input ends.
    leaves = "os.read(0, 8); os.fork() or os.read(0, 1); os._exit(0)"
    with connected(listener, identifier, leaves) as (child, peer):
        assert peer.identify().handle == kind
        go_on(child)
        child.wait()
        with owner_of(child.pid), pytest.raises(BrokerError) as caught:
            peer.identify()
        assert caught.value.kind is Kind.DENIED


def test_p2_without_a_handle_of_the_kernel_the_start_time_is_the_one_at_accept(
    identifier: LinuxIdentifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P2: the handle that we opened ourselves may be that of a later owner of the pid."""
    monkeypatch.setattr(linux, "peer_handle", lambda _: None)
    left, right = socket.socketpair()
    with left, right:
        peer = identifier.open(left)
        honest = linux.read_stat(os.getpid())
        assert honest is not None
        other = Stat(honest.name, honest.parent, honest.start_time + 1)
        monkeypatch.setattr(identifier._processes, "stat", lambda _pid: other)
        with pytest.raises(BrokerError):
            peer.identify()
        peer.close()


def named(name: str, then: str = "time.sleep(300)") -> str:
    return f"open('/proc/self/comm', 'w').write({name!r}); {then}"


def test_s8_a_harness_that_asks_by_itself_is_one(
    listener: socket.socket, identifier: LinuxIdentifier
) -> None:
    """S-8: and it is the agent, as it is for a helper below it."""
    with connected(listener, identifier, named("claude")) as (child, peer):
        caller = until(
            lambda: (seen := peer.identify()).agent and seen.agent.name == "claude" and seen
        )

        assert caller.harness == "claude"
        assert caller.agent is not None
        assert (caller.agent.pid, caller.agent.name) == (child.pid, "claude")
        assert caller.agent.start_time == caller.start_time
        assert caller.attested


def test_s3_a_relay_is_known_by_its_name_where_its_program_is_certain(
    listener: socket.socket, identifier: LinuxIdentifier, tmp_path: Path
) -> None:
    """S-3: as upstream installs socat 1.8, the link of that name leads to a file of another one."""
    program = tmp_path / "relay1"
    shutil.copy(os.path.realpath(sys.executable), program)
    (tmp_path / "socat").symlink_to(program)
    environment = {**os.environ, "PYTHONHOME": sys.base_prefix}
    started = connected(
        listener, identifier, "time.sleep(300)", python=tmp_path / "socat", env=environment
    )
    with started as (_, peer):
        found = peer.identify()

        assert (found.attested, found.relay) == (True, "socat")


def test_s3_a_relay_without_a_certain_program_is_known_by_its_name(
    listener: socket.socket, identifier: LinuxIdentifier, tmp_path: Path
) -> None:
    """S-3: its own name where its file is deleted, hidden, or of another root."""
    program = tmp_path / "socat"
    shutil.copy(os.path.realpath(sys.executable), program)
    environment = {**os.environ, "PYTHONHOME": sys.base_prefix}
    with connected(listener, identifier, "time.sleep(300)", python=program, env=environment) as (
        _,
        peer,
    ):
        by_file = peer.identify()
        program.unlink()
        by_name = peer.identify()

        assert (by_file.attested, by_file.relay) == (True, "socat")
        assert (by_name.attested, by_name.relay) == (False, "socat")


@contextlib.contextmanager
def asking_below(
    listener: socket.socket, identifier: LinuxIdentifier, name: str, *, gone: bool
) -> Iterator[Caller]:
    """Give the caller that a program without a file is, below one called *name*.

    With *gone* that one has no file either.
    """
    start = "subprocess.run(['./copy', '-c', sys.argv[2], sys.argv[1]])"
    ask = CONNECT + "os.unlink('copy'); s.send(b'x'); time.sleep(300)"
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(os.path.realpath(sys.executable), f"{folder}/copy")
        above = [f"{folder}/copy" if gone else sys.executable, "-c"]
        child = subprocess.Popen(
            [*above, "import subprocess,sys\n" + named(name, start), listener.getsockname(), ask],
            env={**os.environ, "PYTHONHOME": sys.base_prefix},
            cwd=folder,
            start_new_session=True,
        )
        try:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                connection.recv(1)
                peer = identifier.open(connection)
            yield peer.identify()
            peer.close()
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


@pytest.mark.parametrize(("user_mode", "relay"), [(True, "socat"), (False, None)])
def test_s3_a_relay_above_counts_for_what_is_not_certain_in_user_mode(
    listener: socket.socket, user_mode: bool, relay: str | None
) -> None:
    """S-3: in the other modes every ssh login of a user has one above it."""
    identifier = LinuxIdentifier(own_uid=os.geteuid(), user_mode=user_mode, looker=Looker())
    with asking_below(listener, identifier, "socat", gone=True) as caller:
        assert not caller.attested
        assert caller.relay == relay
    identifier.close()


@pytest.mark.parametrize(("name", "relay"), [("bash", None), ("socat", "socat")])
def test_s3_the_first_program_above_that_is_certain_says_what_it_is(
    listener: socket.socket, identifier: LinuxIdentifier, name: str, relay: str | None
) -> None:
    """S-3: the shell of an ssh login is no relay, whatever is above it; a link called socat is one."""
    with asking_below(listener, identifier, name, gone=False) as caller:
        assert not caller.attested
        assert caller.relay == relay


async def test_a_mark_of_a_harness_is_seen(
    listener: socket.socket, identifier: LinuxIdentifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays on a program that left its harness; a foreign uid's memory is not looked into."""
    if _below_a_harness(identifier):
        pytest.skip("these tests run below a harness, which goes before every mark")
    for mark in MARKS:
        monkeypatch.delenv(mark, raising=False)
    with connected(listener, identifier, "time.sleep(300)") as (_, without):
        monkeypatch.setenv("CLAUDECODE", "1")
        with connected(listener, identifier, "time.sleep(300)") as (_, with_mark):
            assert (await without.identify_closely()).harness is None
            assert (await with_mark.identify_closely()).harness == "claude"
            assert with_mark.identify().harness is None
            with_mark.uid += 1
            assert (await with_mark.identify_closely()).harness is None


async def test_s16_a_mark_that_cannot_be_read_counts_as_a_harness(
    listener: socket.socket, identifier: LinuxIdentifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-16: what only owners do waits for no longer than its deadline."""
    if _below_a_harness(identifier):
        pytest.skip("these tests run below a harness, which goes before every mark")
    monkeypatch.setattr(identifier._marks._looker, "_deadline", 0.0)
    with connected(listener, identifier, "time.sleep(300)") as (_, peer):
        assert (await peer.identify_closely()).harness == UNKNOWN_HARNESS


def _below_a_harness(identifier: LinuxIdentifier) -> bool:
    left, right = socket.socketpair()
    with left, right:
        peer = identifier.open(left)
        try:
            return peer.identify().harness is not None
        finally:
            peer.close()
