"""`credward run`: endpoints of one command, which is that process; SDKs as they are, across a rotation."""

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
from pathlib import Path
from typing import Any

import pytest

from integration import terminal_window
from integration.command_line import command
from integration.daemon import DaemonFactory, RunningDaemon
from integration.endpoints import CLIENTS, Client, endpoints, keys
from integration.minting import MintProgram
from integration.other_account import PYTHON, Account
from integration.terminal_window import Window
from integration.test_endpoints import ASK_AS_ANOTHER, SERVE, handed_out
from waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="endpoints work on Linux only")

doors = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
# Each prints what it was given until that changes: a rotation.
ROTATE = """
import time
seen = []
end = time.monotonic() + 60
while len(seen) < 2 and time.monotonic() < end:
    found = ask()
    if found not in seen:
        seen.append(found)
        print(found, flush=True)
    time.sleep(0.2)
"""
_BOTO3 = """
import boto3
held = boto3.Session().get_credentials()
ask = lambda: held.get_frozen_credentials().access_key
"""
# It puts the end of what it got off by itself.
_ANEW = """
import boto3
ask = lambda: boto3.Session().get_credentials().get_frozen_credentials().access_key
"""
_GOOGLE = """
import google.auth
from google.auth.transport.requests import Request
held, _ = google.auth.default()
ask = lambda: held.refresh(Request()) or held.token
"""
_MSAL = """
import msal, requests
def ask():
    client = msal.ManagedIdentityClient(
        msal.SystemAssignedManagedIdentity(), http_client=requests.Session())
    found = client.acquire_token_for_client(resource="https://vault.azure.net")
    return found.get("access_token") or found
"""
SDKS = {
    "boto3-container": ("given=aws-container", _BOTO3),
    "boto3-imds": ("given=aws-imds", _ANEW),
    "google-auth": ("given=gce", _GOOGLE),
    "msal-app-service": ("given=azure-app-service", _MSAL),
}


def run(
    daemon: RunningDaemon, *arguments: str, given: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `credward run …` to its end."""
    return subprocess.run(
        command("run", *arguments),
        env={**daemon.environment, **environment},
        cwd=daemon.home,
        input=given,
        capture_output=True,
        timeout=120,
    )


@contextlib.contextmanager
def running(daemon: RunningDaemon, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `credward run … sleep`, and wait until it has its endpoints and is that command."""
    before = len(listed(daemon))
    options = [word for each in arguments for word in ("--with", each)]
    with subprocess.Popen(
        command("run", *options, "--", "sleep", "1000"), env=daemon.environment, cwd=daemon.home
    ) as process:
        try:
            until(lambda: len(listed(daemon)) == before + len(arguments))
            until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n")
            yield process
        finally:
            process.kill()


def listed(daemon: RunningDaemon) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = daemon.request("GET", "/v1/endpoints").json()["endpoints"]
    return found


def files(daemon: RunningDaemon) -> list[str]:
    folder = daemon.state_dir / "sessions"
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


def is_closed(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.fixture
def daemon(start_daemon: DaemonFactory, program: MintProgram) -> RunningDaemon:
    """A daemon with one credential that is called "given", and no endpoints."""
    return start_daemon(program.block("given") + SERVE)


@pytest.fixture
def of_door(start_daemon: DaemonFactory, program: MintProgram, client: Client) -> RunningDaemon:
    """The same, with what *client* wants to be handed out."""
    given = keys(program) if client.kind == "aws" else program.block("given")
    return start_daemon(given + SERVE)


# --- what the command gets ----------------------------------------------------------------------


@pytest.mark.parametrize("sdk", SDKS)
def test_an_sdk_finds_it_by_itself_across_a_rotation(
    start_daemon: DaemonFactory, program: MintProgram, sdk: str
) -> None:
    """Unmodified, with the variables that `run` set and nothing else."""
    word, code = SDKS[sdk]
    daemon = start_daemon((keys(program) if "aws" in word else program.block("given")) + SERVE)
    program.set(lifetime=6)
    done = run(
        daemon, "--with", word, "--", sys.executable, "-c", code + ROTATE, PYTHONWARNINGS="default"
    )

    assert done.returncode == 0, done.stderr
    first, second = done.stdout.decode().split()
    assert first != second
    assert program.mints >= 2


def test_what_counts_before_the_door_is_not_passed_on_which_is_said(daemon: RunningDaemon) -> None:
    """Else the command would silently have another identity; the rest stays as it is."""
    done = run(
        daemon,
        *("--with", "given=aws-imds", "--", "env"),
        AWS_PROFILE="other",
        AWS_ACCESS_KEY_ID="AKIAOTHER",
        AWS_REGION="eu-central-1",
    )
    shown = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())

    assert done.stderr.decode() == (
        "credward: not passed on, they count before the endpoint: AWS_ACCESS_KEY_ID, AWS_PROFILE\n"
    )
    assert shown["AWS_REGION"] == "eu-central-1"
    ours = {"AWS_EC2_METADATA_SERVICE_ENDPOINT"}
    left_out = {"AWS_PROFILE", "AWS_ACCESS_KEY_ID"}
    assert ours <= shown.keys()
    assert not left_out & shown.keys()
    assert shown.keys() - ours - {"AWS_REGION", "LC_CTYPE", "PWD"} <= daemon.environment.keys()


def test_a_file_that_counts_before_the_door_is_named(daemon: RunningDaemon) -> None:
    """It is not touched: others use it."""
    file = daemon.home / ".aws/credentials"
    file.parent.mkdir()
    file.write_text("[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = x\n")
    done = run(daemon, "--with", "given=aws-imds", "--", "true")

    assert done.returncode == 0
    assert b"warning: AWS programs take the profile default of ~/.aws/credentials" in done.stderr


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("bearer", {"ANTHROPIC_AUTH_TOKEN": "opaque-1"}),
        ("aws", {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SESSION_TOKEN": "session-1"}),
    ],
)
def test_env_is_the_token_itself(
    start_daemon: DaemonFactory, program: MintProgram, kind: str, expected: dict[str, str]
) -> None:
    """Only if it is asked for; no port is opened."""
    daemon = start_daemon(keys(program) if kind == "aws" else program.block("given"))
    code = f"import os; print(os.environ.items() >= {expected!r}.items())"
    done = run(daemon, "--with", "given=env", "--", sys.executable, "-c", code)

    assert (done.stdout, done.stderr) == (b"True\n", b"")
    assert files(daemon) == []


def test_the_region_of_aws_comes_with_its_keys(start_daemon: DaemonFactory) -> None:
    """An SDK needs one; what the caller has chosen counts more."""
    cloud = '[credentials.cloud]\nprovider = "aws"\nprofile = "x"\nregion = "eu-central-1"\n'
    daemon = start_daemon(cloud)
    lines = "echo ${AWS_REGION-none} ${AWS_DEFAULT_REGION-none}"
    told = {
        region: run(daemon, "--with", "cloud", "--", "sh", "-c", lines, **chosen).stdout
        for region, chosen in (("its own", {}), ("chosen", {"AWS_REGION": "us-east-1"}))
    }

    assert told == {"its own": b"eu-central-1 eu-central-1\n", "chosen": b"us-east-1 none\n"}


def test_a_run_in_a_run(daemon: RunningDaemon) -> None:
    """It grants nothing, so nothing is against it; each has doors of its own."""
    inner = [*command("run", "--with", "given=azure-imds", "--"), "env"]
    done = run(daemon, "--with", "given=gce", "--", *inner)

    assert done.returncode == 0, done.stderr
    assert b"GCE_METADATA_HOST=127.0.0.1:" in done.stdout
    assert b"AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:" in done.stdout


# --- the command is this process ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 7", 7), ("kill -TERM $$", -signal.SIGTERM), ("kill -KILL $$", -signal.SIGKILL)],
)
def test_the_exit_status_is_its_own(daemon: RunningDaemon, script: str, code: int) -> None:
    """Also the signal that ended it."""
    assert run(daemon, "--with", "given=gce", "--", "sh", "-c", script).returncode == code


def test_input_output_and_signals_are_untouched(daemon: RunningDaemon) -> None:
    """Byte for byte; and Python's ignored signals are not passed on."""
    given = bytes(range(256)) * 1000
    assert run(daemon, "--with", "given=gce", "--", "cat", given=given).stdout == given
    lines = "grep ^Sig /proc/self/status; echo $$"
    bare = subprocess.run(["sh", "-c", lines], capture_output=True, check=True).stdout
    ours = run(daemon, "--with", "given=gce", "--", "sh", "-c", lines).stdout

    assert bare.splitlines()[:-1] == ours.splitlines()[:-1]


def test_it_has_the_same_pid(daemon: RunningDaemon) -> None:
    """So nothing stands between it and who started it."""
    with subprocess.Popen(
        command("run", "--with", "given=gce", "--", "sh", "-c", "echo $$"),
        env=daemon.environment,
        stdout=subprocess.PIPE,
    ) as process:
        out, _ = process.communicate(timeout=60)

    assert int(out) == process.pid


@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_signals_reach_it(daemon: RunningDaemon, signal_name: str) -> None:
    """As if it had been started without us."""
    with running(daemon, "given=gce") as process:
        process.send_signal(signal.Signals[signal_name])
        assert process.wait(60) == -signal.Signals[signal_name]


@pytest.mark.skipif(terminal_window.missing() is not None, reason=str(terminal_window.missing()))
def test_ctrl_z_fg_and_ctrl_c_in_a_terminal(daemon: RunningDaemon) -> None:
    """Job control is the shell's and the command's; the endpoints stay while it is stopped."""
    line = " ".join(command("run", "--with", "given=gce", "--", "cat"))
    with Window(daemon.home, daemon.environment, shell=("bash", "--norc", "-i")) as window:
        window.wait_for("#" if os.geteuid() == 0 else "$")
        window.run(line)
        until(lambda: len(listed(daemon)) == 1)
        window.press("C-z")
        window.wait_for("Stopped")
        (found,) = listed(daemon)
        stat = Path(f"/proc/{found['pid']}/stat")
        assert stat.read_text().rpartition(") ")[2].startswith("T")
        assert not is_closed(found["port"])
        window.run("fg")
        until(lambda: stat.read_text().rpartition(") ")[2].startswith("S"))
        window.run("still here")
        # As it was typed, and as it came back.
        until(lambda: window.screen().count("still here") == 2)
        window.press("C-c")
        # What is typed before that is thrown away by the terminal.
        until(lambda: not stat.exists())
        window.run("echo code $?")
        window.wait_for("code 130")
    until(lambda: listed(daemon) == [])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("no-such-command",), 127, 'credward: "no-such-command" is not a command here: check'),
        (("/etc/passwd",), 126, 'credward: "/etc/passwd" cannot be started (Permission denied'),
        (("/",), 126, 'credward: "/" cannot be started (Permission denied'),
    ],
)
def test_what_cannot_be_started_ends_as_in_a_shell(
    daemon: RunningDaemon, words: tuple[str, ...], code: int, said: str
) -> None:
    """Before anything is asked of the daemon."""
    done = run(daemon, "--with", "given=gce", "--", *words)

    assert (done.returncode, done.stdout) == (code, b"")
    assert done.stderr.decode().startswith(said)


def test_a_script_without_its_first_line_is_run_by_sh(daemon: RunningDaemon) -> None:
    """As a shell would."""
    script = daemon.home / "script"
    script.write_text('echo "$0 $1"\n')
    script.chmod(0o700)

    assert run(daemon, "--", str(script), "x").stdout.decode() == f"{script} x\n"


# --- whose they are, and how long ---------------------------------------------------------------


@doors
def test_its_client_is_answered_and_the_guard_is_that_of_all(
    of_door: RunningDaemon, client: Client, program: MintProgram
) -> None:
    """The same refusals as at an endpoint of the configuration: N1, N2, N3, N5; all are decided on."""
    with running(of_door, f"given={client.door}") as process:
        for refused in (
            client.asks(of_door, Host="attacker.example"),
            client.asks(of_door, without=client.proof),
            client.asks(of_door, **{client.proof.replace("-", "_"): "wrong"}),
            client.asks(of_door, X_Forwarded_For="10.0.0.1"),
            client.asks(of_door, Origin="https://attacker.example", method="OPTIONS"),
        ):
            assert refused.status in {401, 403}
            assert not handed_out(refused.body)
        assert program.mints == 0
        answer = client.asks(of_door)
        assert answer.status == 200, answer.body
        assert handed_out(answer.body)
        found = endpoints(of_door)[client.door]
        assert (found["pid"], found["credentials"]) == (process.pid, ["given"])
    lines = (of_door.state_dir / "audit.log").read_text().splitlines()
    opened = json.loads(lines[0])
    assert (opened["outcome"], opened["format"]) == ("opened", client.door)
    assert opened["caller"]["pid"] == process.pid


@doors
def test_another_user_is_refused(
    of_door: RunningDaemon, client: Client, program: MintProgram, account: Account
) -> None:
    """Even one that knows the secret of the endpoint."""
    with running(of_door, f"given={client.door}"):
        headers = json.dumps(client.headers_for(of_door))
        port = str(endpoints(of_door)[client.door]["port"])
        done = account.run(PYTHON, "-I", "-S", "-c", ASK_AS_ANOTHER, port, client.path, headers)

    assert done.stdout.startswith("403 "), done
    assert f"this endpoint is not for uid {account.uid}" in done.stdout
    assert program.mints == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_they_end_with_the_command(daemon: RunningDaemon, how: signal.Signals) -> None:
    """Ports and files, however it ended."""
    with running(daemon, "given=azure-app-service", "given=gce") as process:
        ports = [each["port"] for each in listed(daemon)]
        assert len(files(daemon)) == 2
        process.send_signal(how)
        process.wait(60)
    until(lambda: listed(daemon) == [])
    until(lambda: files(daemon) == [])

    assert all(is_closed(port) for port in ports)


def test_what_survives_the_command_has_no_endpoint(daemon: RunningDaemon) -> None:
    """A child in the background keeps the variables, and they lead nowhere."""
    done = run(daemon, "--with", "given=gce", "--", "sh", "-c", "sleep 1000 >&- 2>&- & echo $!")
    until(lambda: listed(daemon) == [])

    os.kill(int(done.stdout), signal.SIGKILL)


def test_two_at_once_have_doors_of_their_own(daemon: RunningDaemon) -> None:
    """The end of one is not that of the other."""
    with running(daemon, "given=gce") as first, running(daemon, "given=gce") as second:
        ports = {each["pid"]: each["port"] for each in listed(daemon)}
        assert len(set(ports.values())) == 2
        first.kill()
        until(lambda: len(listed(daemon)) == 1)
        assert listed(daemon)[0]["pid"] == second.pid


@pytest.mark.parametrize("how", ["stop", "kill9"])
def test_they_are_there_again_after_a_restart_of_the_daemon(
    of_app_service: RunningDaemon, how: str
) -> None:
    """At the same ports, with the same secrets: the command has read both once."""
    daemon, client = of_app_service, CLIENTS["azure-app-service"]
    with running(daemon, "given=azure-app-service", "given=gce") as process:
        before, headers = listed(daemon), client.headers_for(daemon)
        getattr(daemon, how)()
        daemon.start()
        assert listed(daemon) == before
        assert client.headers_for(daemon) == headers
        assert client.asks(daemon).status == 200
        process.kill()
        process.wait(60)
        until(lambda: listed(daemon) == [] and files(daemon) == [])


@pytest.fixture
def of_app_service(daemon: RunningDaemon) -> RunningDaemon:
    return daemon


def test_what_ended_while_no_daemon_ran_is_removed(daemon: RunningDaemon) -> None:
    """Its ports are not opened again, and its secrets do not stay."""
    with running(daemon, "given=azure-app-service") as process:
        daemon.kill9()
        process.kill()
        process.wait(60)
    assert len(files(daemon)) == 2
    daemon.start()

    assert listed(daemon) == []
    assert files(daemon) == []


def test_a_port_that_was_taken_meanwhile_is_tried_again(daemon: RunningDaemon) -> None:
    """It costs that endpoint while it is taken, and is said."""
    with running(daemon, "given=gce"):
        port = listed(daemon)[0]["port"]
        daemon.stop()
        with socket.create_server(("127.0.0.1", port)):
            daemon.start()
            assert f"port {port} cannot be opened" in listed(daemon)[0]["failure"]["message"]
        until(lambda: listed(daemon)[0]["port"] == port)


def test_a_session_is_ended_by_those_it_belongs_to(daemon: RunningDaemon) -> None:
    """By a process below it; an unrelated agent is refused."""
    asked = {"endpoints": [{"credential": "given", "door": "gce"}]}
    begun = daemon.request("POST", "/v1/sessions", body=json.dumps(asked).encode())
    assert begun.status == 200, begun.body
    assert begun.json()["endpoints"][0]["pid"] == os.getpid()
    path = f"/v1/sessions/{begun.json()['id']}"
    asking = f"curl -s -X DELETE --unix-socket {daemon.socket} http://x{path}"
    if shutil.which("curl"):
        subprocess.run(["sh", "-c", asking], check=True, capture_output=True)
    else:
        assert daemon.request("DELETE", path).status == 200
    assert listed(daemon) == []


# --- refused ------------------------------------------------------------------------------------


def test_what_policy_denies_opens_no_port(
    start_daemon: DaemonFactory, program: MintProgram, tmp_path: Path
) -> None:
    """Before the command starts, in the usual words, recorded."""
    policy = tmp_path / "policy"
    policy.mkdir()
    (policy / "no.cedar").write_text(
        '@id("not-this") forbid (principal, action == Action::"Issue", resource) '
        'when { resource == Credential::"secret" };\n'
    )
    config = f'[policy]\ndirectory = "{policy}"\n'
    daemon = start_daemon(config + program.block("given") + program.block("secret"))
    done = run(daemon, "--with", "given=gce", "--with", "secret=azure-imds", "--", "echo", "no")

    assert (done.returncode, done.stdout) == (77, b"")
    assert b'"secret" denied by policy "not-this"' in done.stderr
    assert listed(daemon) == []
    last = json.loads((daemon.state_dir / "audit.log").read_text().splitlines()[-1])
    assert (last["outcome"], last["credential"]) == ("denied", "secret")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["givn=gce"], 78, '"givn" is not configured, perhaps "given"'),
        (["given=gcee"], 64, 'no door "gcee", perhaps "gce"'),
        (["given"], 64, '"given" (command) has no usual door: write --with given=DOOR'),
        (["=gce"], 64, "--with needs NAME=DOOR"),
        (["given=gce", "other=gce"], 64, "--with given=gce and --with other=gce exclude"),
        (["given=env", "other=env"], 64, "because of ANTHROPIC_AUTH_TOKEN"),
        (["given=azure-imds", "other=azure-app-service"], 64, "exclude each other"),
        (["keys=gce"], 64, '"keys" is AWS keys, and door gce hands out a bearer token'),
    ],
)
def test_what_cannot_be_is_one_line(
    start_daemon: DaemonFactory,
    program: MintProgram,
    words: list[str],
    code: int,
    said: str,
) -> None:
    """Nothing is started, and nothing stays open."""
    daemon = start_daemon(
        program.block("given") + program.block("other") + program.block("keys", kind='"aws"')
    )
    options = [word for each in words for word in ("--with", each)]
    done = run(daemon, *options, "--", "echo", "started")

    assert (done.returncode, done.stdout) == (code, b"")
    assert said in done.stderr.decode()
    until(lambda: listed(daemon) == [])


def test_there_is_a_most(daemon: RunningDaemon) -> None:
    """Of endpoints of one session; the line says so."""
    asked = {"endpoints": [{"credential": "given", "door": "gce"}] * 9}
    answer = daemon.request("POST", "/v1/sessions", body=json.dumps(asked).encode())

    assert (answer.status, answer.kind) == (400, "bad-request")
    assert "1 to 8 endpoints" in answer.json()["detail"]
    assert listed(daemon) == []


def test_without_a_daemon_nothing_is_started(daemon: RunningDaemon) -> None:
    """It is started as for `get`; where that is forbidden, the line says so."""
    daemon.stop()
    done = run(daemon, "--with", "given=gce", "--", "echo", "started")

    assert (done.returncode, done.stdout) == (69, b"")
    # Nothing is asked of it without --with.
    assert run(daemon, "--", "echo", "started").stdout == b"started\n"
