"""The socket API on loopback, asked by both helpers and the command line, as from a container."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.ports import kept_port
from integration.daemon import DaemonFactory, RunningDaemon
from integration.endpoints import block, endpoints
from integration.minting import MintProgram
from integration.other_account import PYTHON, Account
from transcripts.programs import program as helper

CLIENTS = ("musl", "gcc", "twin", "get")


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> list[str]:
    """What asks: each build of the helper, its twin, and `credward get`."""
    if request.param == "get":
        return [sys.executable, "-m", "credward", "get"]
    command = helper(request.param)
    if command is None:
        pytest.skip(f"no compiler for {request.param}")
    return command


@pytest.fixture
def daemon(start_daemon: DaemonFactory, program: MintProgram) -> RunningDaemon:
    """A daemon with one credential at an `http` endpoint, and one that is not there."""
    return start_daemon(program.block("one") + program.block("hidden") + block("http", "one"))


def ask(
    daemon: RunningDaemon, client: list[str], *words: str, host: str = "127.0.0.1", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run *client* where nothing leads to the daemon but the variables of its endpoint."""
    found = endpoints(daemon)["http"]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PYTHONPATH": daemon.environment.get("PYTHONPATH", ""),
        "CREDWARD_URL": f"http://{host}:{found['port']}",
        "CREDWARD_TOKEN_FILE": found["token_file"],
        **more,
    }
    return subprocess.run(
        [*client, *words], env=environment, capture_output=True, text=True, cwd="/", timeout=60
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_client_gets_its_token_there(daemon: RunningDaemon, client: list[str], host: str) -> None:
    done = ask(daemon, client, "one", host=host)
    assert (done.returncode, done.stdout.startswith("opaque-")) == (0, True), done.stderr
    # Without a name it is the usual one of the endpoint.
    assert ask(daemon, client, host=host).stdout == done.stdout


def test_only_what_the_endpoint_hands_out(daemon: RunningDaemon, client: list[str]) -> None:
    done = ask(daemon, client, "hidden")
    assert (done.returncode, done.stdout) == (77, "")
    assert '"hidden" is not among what the endpoint http:' in done.stderr


def test_a_wrong_token_is_told_as_such(
    daemon: RunningDaemon, client: list[str], tmp_path: Path
) -> None:
    wrong = tmp_path / "token"
    wrong.write_text(f"credward_{'x' * 43}")
    done = ask(daemon, client, "one", CREDWARD_TOKEN_FILE=str(wrong))
    assert (done.returncode, done.stdout) == (77, "")
    assert "run credward status --endpoints" in done.stderr


def test_a_name_is_looked_up_where_the_container_runtime_says_so(
    daemon: RunningDaemon, client: list[str]
) -> None:
    """Docker Desktop calls the machine around it host.docker.internal; here nothing does."""
    done = ask(daemon, client, "one", host="host.docker.internal")
    assert (done.returncode, done.stdout) == (69, "")
    assert "no daemon answers at host.docker.internal:" in done.stderr


@pytest.mark.parametrize("words", [["status"], ["secret", "list"], ["login", "one"]])
def test_nothing_else_is_done_from_there(daemon: RunningDaemon, words: list[str]) -> None:
    done = ask(daemon, [sys.executable, "-m", "credward"], *words)
    assert done.returncode != 0
    assert "hands out tokens only" in done.stderr


def test_no_secret_goes_there(daemon: RunningDaemon) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "credward", "secret", "set", "KEY"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "PYTHONPATH": daemon.environment.get("PYTHONPATH", ""),
            "CREDWARD_URL": f"http://127.0.0.1:{endpoints(daemon)['http']['port']}",
            "CREDWARD_TOKEN_FILE": endpoints(daemon)["http"]["token_file"],
        },
        input="a-secret\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 78
    assert "run this on the machine of the daemon" in done.stderr


# --- another user's listener --------------------------------------------------------------------

# Listens at the port argv[1], says so, and prints the first line of whatever comes.
LISTEN = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
connection, _ = server.accept()
print(connection.recv(4096), flush=True)
"""


def test_s1_another_users_program_is_told_nothing(
    daemon: RunningDaemon, client: list[str], account: Account
) -> None:
    """A variable may name its port: it would get what is sent, and hand out what it likes."""
    token = endpoints(daemon)["http"]["token_file"]
    with (
        kept_port() as port,
        subprocess.Popen(
            [*account.become(), PYTHON, "-I", "-S", "-c", LISTEN, str(port)],
            stdout=subprocess.PIPE,
            text=True,
        ) as other,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == "listening\n"
        url = f"http://127.0.0.1:{port}"
        done = ask(daemon, client, "one", CREDWARD_URL=url, CREDWARD_TOKEN_FILE=token)
        assert (done.returncode, done.stdout) == (78, "")
        assert f"127.0.0.1:{port} is served by another user, so it is not trusted" in done.stderr
        # It was connected to, and heard nothing.
        assert other.stdout.readline() == "b''\n"


def test_s1_it_leads_out_of_no_machine_that_has_a_daemon(
    daemon: RunningDaemon, client: list[str]
) -> None:
    """Only a container asks the machine around it."""
    done = ask(
        daemon,
        client,
        "one",
        host="host.docker.internal",
        XDG_RUNTIME_DIR=str(daemon.runtime_dir),
    )
    assert (done.returncode, done.stdout) == (78, "")
    assert "CREDWARD_URL leads out of this machine, which has a daemon of its own" in done.stderr
