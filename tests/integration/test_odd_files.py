"""S-10: what is no regular file where one is expected costs an error that says so, never a wait."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from integration.command_line import cli
from marks import slow
from waiting import until

LOCAL = '[credentials.demo]\nprovider = "local"\n'
WORD = "not a regular file"
# A daemon that waits for the other end of a pipe would be waited for until then.
PATIENCE = 30


def odd(path: Path, kind: str) -> None:
    """Put something there that is no regular file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path, 0o600)
    elif kind == "directory":
        path.mkdir()
    else:
        # Bound by a short name, for those of tests are long.
        name = f"/proc/self/fd/{os.open(path.parent, os.O_PATH)}/{path.name}"
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(name)
        os.close(int(name.split("/")[4]))


KINDS = ["pipe", *slow("directory", "socket")]


@pytest.mark.parametrize("kind", KINDS)
def test_s10_a_signing_key(start_daemon, kind):
    """It is looked for at each mint: one answer fails, and the daemon goes on."""
    other = '[credentials.other]\nprovider = "local"\n'
    daemon = start_daemon(f'[store]\nkey = "key_file"\n{LOCAL}{other}')
    odd(daemon.state_dir / "signing_keys/demo.pem", kind)
    answer = daemon.get("demo")

    assert answer.kind == "fix-configuration", answer.text
    assert WORD in answer.text
    assert daemon.get("other").status == 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "place",
    [
        ".config/credward/config.toml",
        ".local/state/credward/audit.log",
        ".local/state/credward/credward.lock",
        "daemon-own.log",
        "policies/own.cedar",
        "credward.sock.lock",
    ],
)
def test_s10_a_file_that_the_start_needs(start_daemon, place, kind):
    """The start ends, and says which file and what it is."""
    daemon = start_daemon.prepare(
        f'[store]\nkey = "key_file"\n[policy]\ndirectory = "POLICIES"\n{LOCAL}'
    )
    policies = daemon.home / "policies"
    policies.mkdir()
    daemon.write_config(daemon.config_file.read_text().replace("POLICIES", str(policies)))
    path = daemon.home / place
    if place == "credward.sock.lock":
        path = daemon.socket.with_name(place)
    path.unlink(missing_ok=True)
    odd(path, kind)
    command = [sys.executable, "-m", "credward", "serve", "--config", str(daemon.config_file)]
    log = ["--log-file", str(daemon.home / "daemon-own.log")]
    ended = subprocess.run(
        [*command, "--socket", str(daemon.socket), *(log if place == "daemon-own.log" else [])],
        env=daemon.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert ended.returncode not in {0, 70}, ended.stderr
    assert WORD in ended.stderr
    assert str(path) in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "place", [".local/state/credward/store.sealed", ".config/credward/store.key"]
)
def test_s10_the_store_and_its_key(start_daemon, place, kind):
    """The log says what is wrong; what needs no store is served."""
    daemon = start_daemon.prepare(f'[store]\nkey = "key_file"\n{LOCAL}persist = true\n')
    odd(daemon.home / place, kind)
    daemon.start()
    assert daemon.get("demo").status == 200
    # The token is to be kept, so now at the latest the store is needed.
    until(lambda: WORD in daemon.log())

    assert str(daemon.home / place) in daemon.log()


@pytest.mark.parametrize("kind", KINDS)
def test_s10_what_a_worker_opens(start_daemon, kind):
    """References, certificates, the AWS files: the worker says it, and is not killed for a wait."""
    daemon = start_daemon.prepare(
        """
        [store]
        key = "key_file"
        [network]
        ca = "HOME/ca.pem"
        [credentials.key]
        provider = "static"
        secret = { file = "HOME/secret" }
        [credentials.gateway]
        provider = "oauth"
        token_endpoint = "https://127.0.0.1:1/token"
        client_id = "c"
        client_secret = { env = "CANARY_SECRET" }
        grant_type = "client_credentials"
        [credentials.bedrock]
        provider = "aws"
        profile = "default"
        """
    )
    daemon.write_config(daemon.config_file.read_text().replace("HOME", str(daemon.home)))
    for place in ("ca.pem", "secret", ".aws/config"):
        odd(daemon.home / place, kind)
    daemon.start()
    for name in ("key", "gateway", "bedrock"):
        answer = daemon.get(name)
        assert answer.kind == "fix-configuration", answer.text
        assert WORD in answer.text


def test_s10_reading_the_audit_log_and_reloading(start_daemon):
    """What is exchanged while the daemon runs is an error of that request."""
    daemon = start_daemon(LOCAL)
    assert daemon.request("GET", "/v1/audit").status == 200
    for path in (daemon.state_dir / "audit.log", daemon.config_file):
        path.unlink()
        odd(path, "pipe")
    answers = [daemon.request("GET", "/v1/audit"), daemon.request("POST", "/v1/reload")]

    assert [WORD in answer.text for answer in answers] == [True, True]
    assert {answer.kind for answer in answers} == {"fix-configuration"}
    # No token leaves without its line.
    denied = daemon.get("demo")
    assert (denied.status, WORD in denied.text) == (403, True)


@pytest.mark.parametrize("command", [["config", "check"], ["config", "edit"], ["add", "--yes"]])
def test_s10_commands_that_read_the_configuration(start_daemon, command):
    """A line, and an exit code."""
    daemon = start_daemon.prepare(LOCAL)
    daemon.config_file.unlink()
    odd(daemon.config_file, "pipe")
    if command[0] == "add":
        command = ["add", "other", "--provider", "local"]
    ended = cli(daemon, *command, EDITOR="true", CREDWARD_NO_START="1")

    assert ended.returncode == 78
    assert WORD in ended.stderr


def test_s10_setup_meets_odd_settings(start_daemon):
    """The files of other tools, and our memory of what was changed in them."""
    daemon = start_daemon(LOCAL)
    settings = daemon.home / ".claude/settings.json"
    odd(settings, "pipe")
    ended = cli(daemon, "setup", "claude-code", "demo", "--dry-run")
    assert (ended.returncode, WORD in ended.stderr) == (78, True), ended.stderr


def test_s10_a_manager_that_does_not_read_its_socket_does_not_hold_the_start(start_daemon):
    """Its queue is full; what cannot be told in a second is left out."""
    daemon = start_daemon.prepare(LOCAL)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
        address = str(daemon.runtime_dir / "full")
        full.bind(address)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filling:
            filling.setblocking(False)
            try:
                while True:
                    filling.sendto(b"x", address)
            except BlockingIOError:
                pass
        daemon.spawn(environment={"NOTIFY_SOCKET": address})
        until(lambda: "ready at" in daemon.log())
