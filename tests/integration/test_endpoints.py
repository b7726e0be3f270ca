"""What every endpoint on loopback keeps to: the same suite for each door."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fakes.ports import kept_port
from fakes.watching import listening_at
from integration.command_line import by_owner, cli
from integration.daemon import DaemonFactory, RunningDaemon
from integration.endpoints import CLIENTS, Client, block, endpoints, keys
from integration.minting import MintProgram
from integration.other_account import PYTHON, Account
from waiting import until

doors = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
SERVE = '[credentials.given.serve]\naudiences = ["https://vault.azure.net"]\n'


@pytest.fixture
def daemon(
    start_daemon: DaemonFactory, program: MintProgram, client: Client
) -> Iterator[RunningDaemon]:
    """A daemon with one endpoint, whose credential is called "given"."""
    given = keys(program) if client.kind == "aws" else program.block("given")
    yield start_daemon(given + SERVE + block(client.door, "given"))


def handed_out(body: bytes) -> bool:
    return b"opaque-" in body or b"AKIA" in body


@doors
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_its_client_is_answered(daemon: RunningDaemon, client: Client, host: str) -> None:
    """Recorded with the door, and the process that the kernel says it is."""
    answer = client.asks(daemon, host=host)
    assert answer.status == 200, answer.body
    assert handed_out(answer.body)
    assert answer.headers["cache-control"] == "no-store"
    line = json.loads((daemon.state_dir / "audit.log").read_text().splitlines()[-1])
    named = "json" if client.door == "http" else client.door
    assert (line["outcome"], line["format"]) == ("issued", named)
    assert line["caller"]["door"].partition(":")[0] == client.door
    assert line["caller"]["handle"] == "socket_inode"
    assert line["caller"]["executable"]


@doors
def test_one_cache_is_behind_all(
    daemon: RunningDaemon, client: Client, program: MintProgram
) -> None:
    for _ in range(3):
        assert client.asks(daemon).status == 200
    assert program.mints == 1


@doors
def test_n1_another_host_is_refused(
    daemon: RunningDaemon, client: Client, program: MintProgram
) -> None:
    answer = client.asks(daemon, Host="attacker.example")
    assert answer.status == 403
    assert not handed_out(answer.body)
    assert program.mints == 0


@doors
def test_n2_without_its_proof_nobody_is_answered(
    daemon: RunningDaemon, client: Client, program: MintProgram
) -> None:
    """As the service refuses it that the endpoint stands in for."""
    answer = client.asks(daemon, without=client.proof)
    assert answer.status in {401, 403}
    wrong = client.asks(daemon, **{client.proof.replace("-", "_"): "wrong"})
    assert wrong.status in {401, 403}
    assert program.mints == 0


@doors
@pytest.mark.parametrize(
    "header", ["X_Forwarded_For", "Forwarded", "Origin", "Sec_Fetch_Site", "Via", "Referer"]
)
def test_n3_what_passed_through_others_is_refused(
    daemon: RunningDaemon, client: Client, program: MintProgram, header: str
) -> None:
    assert client.asks(daemon, **{header: "cross-site"}).status == 403
    assert program.mints == 0


@doors
def test_n4_only_loopback_is_bound(daemon: RunningDaemon, client: Client) -> None:
    port = endpoints(daemon)[client.door]["port"]
    listening = subprocess.run(
        ["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True
    ).stdout
    bound = {line.split()[3] for line in listening.splitlines()}
    assert bound <= {f"127.0.0.1:{port}", f"[::1]:{port}"}
    assert f"127.0.0.1:{port}" in bound


@doors
def test_n5_a_preflight_is_not_allowed(daemon: RunningDaemon, client: Client) -> None:
    answer = client.asks(
        daemon,
        method="OPTIONS",
        Origin="https://attacker.example",
        Access_Control_Request_Method="GET",
    )
    assert answer.status == 403
    assert not any(name.startswith("access-control") for name in answer.headers)


@doors
@pytest.mark.parametrize(
    "head",
    [
        b"GET http://127.0.0.1/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_n7_what_can_be_read_two_ways_is_refused(
    daemon: RunningDaemon, client: Client, head: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", endpoints(daemon)[client.door]["port"])) as asker:
        asker.settimeout(60)
        asker.sendall(head)
        status = asker.recv(4096).split(b" ")[1]
    assert status in {b"400", b"411"}


@doors
def test_a_failure_carries_our_line(
    daemon: RunningDaemon, client: Client, program: MintProgram
) -> None:
    program.set(exit=3)
    answer = client.asks(daemon)
    assert answer.status >= 400
    assert b'\\"given\\"' in answer.body or b'"given"' in answer.body


def test_a_change_of_the_configuration_is_followed(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """Opened, kept and closed; what did not change goes on at its port."""
    given = program.block("given")
    daemon = start_daemon(given + block("gce", "given"))
    before = endpoints(daemon)["gce"]["port"]
    daemon.write_config(block("azure-imds", "given") + given + block("gce", "given"))
    daemon.send(signal.SIGHUP)
    until(lambda: set(endpoints(daemon)) == {"gce", "azure-imds"})
    assert endpoints(daemon)["gce"]["port"] == before
    daemon.write_config(given)
    daemon.send(signal.SIGHUP)
    until(lambda: endpoints(daemon) == {})
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", before)).close()


def test_a_port_in_use_costs_only_its_endpoint(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """It is opened once the port is free."""
    with kept_port() as port:
        with socket.create_server(("127.0.0.1", port)):
            daemon = start_daemon(program.block("given") + block("gce", "given", port=port))
            found = endpoints(daemon)["gce"]
            assert found["port"] is None
            why = f"port {port} cannot be opened (Address already in use by uid {os.geteuid()}): "
            assert why in found["failure"]["message"]
            assert daemon.get("given").status == 200
        until(lambda: endpoints(daemon)["gce"]["port"] == port)
    assert endpoints(daemon)["gce"]["failure"] is None


def test_the_secret_stays_over_a_restart(start_daemon: DaemonFactory, program: MintProgram) -> None:
    """A client that was set up with it is answered by the next daemon."""
    client = CLIENTS["aws-container"]
    with kept_port() as port:
        daemon = start_daemon(keys(program) + block(client.door, "given", port=port))
        assert client.asks(daemon).status == 200
        before = (daemon.state_dir / "endpoints" / f"{client.door}-{port}.token").read_text()
        daemon.stop()
        daemon.start()
        assert client.asks(daemon).status == 200
        after = (daemon.state_dir / "endpoints" / f"{client.door}-{port}.token").read_text()
    assert after == before


@by_owner
def test_status_shows_what_leads_there(start_daemon: DaemonFactory, program: MintProgram) -> None:
    """As lines for a shell; a secret stays in its file."""
    with kept_port() as port:
        daemon = start_daemon(
            program.block("given")
            + block("azure-app-service", "given", port=port)
            + block("gce", "given")
        )
        shown = cli(daemon, "status", "--endpoints").stdout
        secret = (daemon.state_dir / "endpoints" / f"azure-app-service-{port}.token").read_text()
    assert f"azure-app-service  {port}" in shown
    assert f"export IDENTITY_ENDPOINT=http://127.0.0.1:{port}/msi/token" in shown
    assert 'export IDENTITY_HEADER="$(cat /' in shown
    assert "export GCE_METADATA_HOST=127.0.0.1:" in shown
    assert secret not in shown


@by_owner
def test_status_says_what_to_do_without_any(start_daemon: DaemonFactory) -> None:
    daemon = start_daemon('[credentials.demo]\nprovider = "local"\n')
    assert "credward config edit" in cli(daemon, "status", "--endpoints").stdout


@doors
def test_a_bound_credential_is_not_handed_out_if_nobody_says_where_it_goes(
    start_daemon: DaemonFactory, program: MintProgram, client: Client
) -> None:
    """What you bound by base_url stays with the helper, which says it."""
    bound = 'base_url = "https://llm.example.com"\n'
    given = keys(program) if client.kind == "aws" else program.block("given")
    daemon = start_daemon(given + bound + SERVE + block(client.door, "given"))
    answer = client.asks(daemon)
    assert answer.status == 403
    assert b"is for https://llm.example.com only" in answer.body
    if client.door != "http":
        assert b"do not say where they send it: use the helper" in answer.body
    assert program.mints == 0


# --- the socket API on loopback -----------------------------------------------------------------


@pytest.fixture
def limited(start_daemon: DaemonFactory, program: MintProgram) -> RunningDaemon:
    """A daemon with two credentials at an endpoint, and one that is not there."""
    config = "".join(program.block(each) for each in ("one", "two", "hidden"))
    return start_daemon('default = "hidden"\n' + config + block("http", "two", "one"))


def test_http_hands_out_its_credentials_only(limited: RunningDaemon) -> None:
    """The name of another one is not looked up; without a name it is the first of its own."""
    http = CLIENTS["http"]
    for name, given in (("one", "one"), ("two", "two"), ("-", "two")):
        answer = http.asks(limited, path=f"/v1/credentials/{name}/token")
        assert (answer.status, answer.headers.get("credential")) == (200, given), answer.body
    for name in ("hidden", "unknown"):
        answer = http.asks(limited, path=f"/v1/credentials/{name}/token")
        assert (answer.status, answer.json()["kind"]) == (403, "denied")
        assert answer.json()["detail"].startswith(
            f'"{name}" is not among what the endpoint http:{endpoints(limited)["http"]["port"]} '
            "hands out (two, one): "
        )
    line = json.loads((limited.state_dir / "audit.log").read_text().splitlines()[-1])
    assert (line["outcome"], line["rule"]) == ("denied", "endpoint")


def test_http_mints_anew_and_takes_reports(limited: RunningDaemon, program: MintProgram) -> None:
    http = CLIENTS["http"]
    assert http.asks(limited, path="/v1/credentials/one/token").body.startswith(b"opaque-")
    answer = http.asks(limited, path="/v1/credentials/one/refresh", method="POST")
    assert answer.status == 200, answer.body
    assert program.mints == 2
    assert http.asks(limited, path="/v1/credentials/hidden/refresh", method="POST").status == 403


def test_a_chain_at_http_does_not_leave_its_credentials(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """What stands in for a credential must be named there too."""
    broken = program.block("one", fallback=["hidden"])
    daemon = start_daemon(
        broken + '[credentials.hidden]\nprovider = "local"\n' + block("http", "one")
    )
    program.set(exit=3)
    assert daemon.get("one").headers["credential"] == "hidden"
    answer = CLIENTS["http"].asks(daemon, path="/v1/credentials/one/token")
    assert answer.status >= 400, answer.body


def test_a_relay_may_ask_at_http_and_nowhere_else(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """A real socat in between, as a container runtime has its own."""
    config = program.block("given") + block("http", "given") + block("gce", "given")
    daemon = start_daemon(config)
    for door, status in (("http", 200), ("gce", 403)):
        client = CLIENTS[door]
        with behind_socat(endpoints(daemon)[door]["port"]) as port:
            # Clients of a relay name its address; only what is at the far end is asked about here.
            answer = client.asks(
                daemon, at=port, Host=f"127.0.0.1:{endpoints(daemon)[door]['port']}"
            )
        assert answer.status == status, answer.body
    line = json.loads((daemon.state_dir / "audit.log").read_text().splitlines()[-1])
    assert line["rule"] == "no-relays"


@contextlib.contextmanager
def behind_socat(port: int) -> Iterator[int]:
    """Yield a port where socat passes on to *port*."""
    if (socat := shutil.which("socat")) is None:
        pytest.skip("socat is not installed")
    with kept_port() as at:
        command = [socat, f"TCP-LISTEN:{at},bind=127.0.0.1,reuseaddr,fork", f"TCP:127.0.0.1:{port}"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
            try:
                until(lambda: listening_at(at))
                yield at
            finally:
                process.terminate()


# --- another user -------------------------------------------------------------------------------

# Asks at the port argv[1] for argv[2] with the headers argv[3], and prints the answer.
ASK_AS_ANOTHER = """
import http.client, json, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
connection.request("GET", sys.argv[2], headers=json.loads(sys.argv[3]))
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""


@doors
def test_another_user_is_refused(
    daemon: RunningDaemon, client: Client, program: MintProgram, account: Account
) -> None:
    """Even one that knows the secret of the endpoint: the kernel says whose the socket is."""
    headers = json.dumps(client.headers_for(daemon))
    port = str(endpoints(daemon)[client.door]["port"])
    done = account.run(PYTHON, "-I", "-S", "-c", ASK_AS_ANOTHER, port, client.path, headers)
    assert done.stdout.startswith("403 "), done
    assert f"this endpoint is not for uid {account.uid}" in done.stdout
    assert program.mints == 0


# --- a socket of two processes ------------------------------------------------------------------

# Connects to the port argv[1], lets a child have the socket too, asks for argv[2] with the headers
# argv[3], and prints the status.
ASK_TOGETHER = """
import http.client, json, os, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
connection.connect()
child = os.fork()
if child == 0:
    time.sleep(120)
connection.request("GET", sys.argv[2], headers=json.loads(sys.argv[3]))
print(connection.getresponse().status)
os.kill(child, 9)
"""


@doors
def test_a_socket_of_two_processes_is_nobodys(
    daemon: RunningDaemon, client: Client, program: MintProgram
) -> None:
    """Either could have asked, so a rule about one of them would mean nothing."""
    headers = client.headers_for(daemon)
    if client.first is not None:
        token = client.session(daemon)
        headers[client.first[1]] = token
    port = str(endpoints(daemon)[client.door]["port"])
    done = subprocess.run(
        [sys.executable, "-c", ASK_TOGETHER, port, client.path, json.dumps(headers)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    # A bearer stands for whoever has it.
    assert done.stdout == ("200\n" if client.door == "http" else "403\n"), done.stderr
    assert program.mints == (1 if client.door == "http" else 0)


@doors
def test_a_connection_is_for_one_request(daemon: RunningDaemon, client: Client) -> None:
    """A server that forks would hand a kept one to its children, and then nobody could use it."""
    assert client.asks(daemon).headers["connection"] == "close"
