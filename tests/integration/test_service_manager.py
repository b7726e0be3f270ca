"""O1: started by a service manager, with its socket, its word of readiness and its signals."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from fakes.ports import kept_port
from fakes.watching import listening, listening_at
from integration.daemon import BROKER, DaemonFactory, RunningDaemon
from integration.endpoints import CLIENTS, block, endpoints
from integration.minting import MintProgram
from waiting import PATIENCE, until

pytestmark = pytest.mark.cold

ACTIVATE = shutil.which("systemd-socket-activate")
CONFIG = '[credentials.demo]\nprovider = "local"\n'


@pytest.mark.skipif(ACTIVATE is None, reason="systemd-socket-activate is missing")
def test_s10_a_socket_from_systemd_is_served_like_our_own(start_daemon: DaemonFactory) -> None:
    """O1, S10: the first connection starts the daemon, which answers on the socket that it was given."""
    daemon = start_daemon.prepare(CONFIG)
    daemon.socket.parent.mkdir(mode=0o700)
    activate(daemon, credward=str(daemon.socket))
    wait_for(daemon)
    answer = daemon.get("demo")
    inode = daemon.socket.stat().st_ino
    ended = daemon.stop()

    assert (answer.status, ended) == (200, 0)
    # The file belongs to the service manager: the daemon that goes leaves it.
    assert daemon.socket.stat().st_ino == inode


@pytest.mark.skipif(ACTIVATE is None, reason="systemd-socket-activate is missing")
def test_s10_the_first_question_at_an_endpoint_starts_the_daemon(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """S10: and the port is served again after the endpoint was gone for a while."""
    client = CLIENTS["gce"]
    with kept_port() as port:
        at_port = block(client.door, "given", port=port)
        daemon = start_daemon.prepare(program.block("given") + at_port)
        daemon.socket.parent.mkdir(mode=0o700)
        activate(
            daemon,
            credward=str(daemon.socket),
            **{"metadata-v4": f"127.0.0.1:{port}", "metadata-v6": f"[::1]:{port}"},
        )
        until(lambda: listening_at(port))
        for host in ("127.0.0.1", "::1"):
            assert client.asks_at(host, port).status == 200
        daemon.write_config(program.block("given"))
        daemon.send(signal.SIGHUP)
        until(lambda: not endpoints(daemon))
        daemon.write_config(program.block("given") + at_port)
        daemon.send(signal.SIGHUP)
        until(lambda: [each["port"] for each in endpoints(daemon).values()] == [port])
        assert client.asks_at("127.0.0.1", port).status == 200
        assert f"opened port {port}, and no [[endpoints]] has it" in daemon.log_file.read_text()


def test_notify_says_ready_reloading_and_stopping(start_daemon: DaemonFactory) -> None:
    """O1: what `Type=notify` waits for, in order; a broken reload is told too and changes nothing."""
    daemon = start_daemon.prepare(CONFIG)
    path = daemon.runtime_dir / "manager"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(PATIENCE)
        daemon.spawn(environment={"NOTIFY_SOCKET": str(path)})
        told = [manager.recv(4096)]
        daemon.send(signal.SIGHUP)
        told += [manager.recv(4096), manager.recv(4096)]
        daemon.write_config("nonsense = [")
        daemon.send(signal.SIGHUP)
        told += [manager.recv(4096), manager.recv(4096)]
        still = daemon.get("demo")
        daemon.stop()
        told.append(manager.recv(4096))

    words = [each.split(b"\n")[0].decode() for each in told]
    assert words == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    assert b"refused" in told[4]
    assert still.status == 200


def test_o2_sigterm_removes_the_socket_in_under_two_seconds(daemon: RunningDaemon) -> None:
    """O2: also with idle connections and a worker at hand."""
    took = []
    for busy in (True, True, True, False):
        if not daemon.running:
            daemon.start()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as idle:
            if busy:
                assert daemon.get("demo").status == 200
                idle.connect(str(daemon.socket))
            began = time.monotonic()
            assert daemon.stop() == 0
            took.append(time.monotonic() - began)
        assert not daemon.socket.exists()

    # As soon as one that has nothing to end, whatever else this machine does now and then.
    assert min(took[:3]) < 2.0 + took[3]


def test_o4_readiness_does_not_depend_on_upstream(
    start_daemon: DaemonFactory, tmp_path: Path
) -> None:
    """O4: ready once policy and configuration are loaded, whatever the source of tokens does."""
    daemon = start_daemon(
        '[credentials.down]\nprovider = "command"\ncommand = ["false"]\nlifetime = 60\n'
    )
    failed = daemon.get("down")

    assert failed.status >= 500
    assert daemon.request("GET", "/v1/ready").json()["ready"] is True
    assert daemon.request("GET", "/v1/health").status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_o1_runs_as_an_anonymous_user(start_daemon: DaemonFactory) -> None:
    """O1: uid 65532 of a container, which no user database knows; root is a stranger to it."""
    interpreter = open_interpreter()
    if interpreter is None:
        pytest.skip(f"{sys.executable} is closed to other users, and /usr/bin has no such version")
    daemon = start_daemon.prepare(CONFIG)
    # The folder of a test is closed to other users: everything goes where the socket is.
    home = daemon.runtime_dir / "home"
    shutil.copytree(daemon.home, home)
    for path in (daemon.runtime_dir, home, *home.rglob("*")):
        os.chown(path, 65532, 65532)
    config = home / daemon.config_file.relative_to(daemon.home)
    command = [interpreter, "-m", "credward", "serve", "--config", str(config)]
    with daemon.log_file.open("wb") as log:
        daemon.process = subprocess.Popen(
            [*command, "--socket", str(daemon.socket)],
            env={
                **daemon.environment,
                "HOME": str(home),
                "XDG_CONFIG_HOME": str(home / ".config"),
                "XDG_STATE_HOME": str(home / ".local/state"),
                "PYTHONPATH": os.pathsep.join([str(BROKER), sysconfig.get_path("platlib")]),
            },
            cwd="/",
            stdout=log,
            stderr=log,
            user=65532,
            group=65532,
            extra_groups=[],
        )
    wait_for(daemon)
    health = daemon.request("GET", "/v1/health")
    denied = daemon.get("demo")

    assert health.status == 200
    assert (denied.status, denied.kind) == (403, "denied")


def open_interpreter() -> str | None:
    """Return a Python of this version that any user may run."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (Path(sys.executable).resolve(), Path("/usr/bin", version)):
        paths = (candidate, BROKER, Path(sysconfig.get_path("platlib")))
        if candidate.exists() and all(
            parent.stat().st_mode & 0o001 for place in paths for parent in place.parents
        ):
            return str(candidate)
    return None


def activate(daemon: RunningDaemon, **sockets: str) -> None:
    """Start the service manager of *daemon*, which becomes the daemon at the first connection.

    By exec: the same pid, ended with all its workers.
    """
    assert ACTIVATE is not None
    command = [sys.executable, "-m", "credward", "serve", "--config", str(daemon.config_file)]
    variables = [f"--setenv={name}={value}" for name, value in daemon.environment.items()]
    places = [word for each in sockets.values() for word in ("-l", each)]
    with daemon.log_file.open("wb") as log:
        daemon.process = subprocess.Popen(
            [ACTIVATE, *places, f"--fdname={':'.join(sockets)}", *variables, *command],
            env=daemon.environment,
            stdout=log,
            stderr=log,
        )


def wait_for(daemon: RunningDaemon) -> None:
    """Wait until somebody listens; only look, because a connection would be an ask."""
    until(lambda: listening(daemon.socket) or not daemon.running)
    assert daemon.running, daemon.log()
