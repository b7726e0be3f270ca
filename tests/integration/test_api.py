"""Identify, decide, record, release: the socket API of a real daemon."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from credward.doors.unix_api.routes import ROUTES
from fakes.watching import listening
from integration.daemon import DaemonFactory, RunningDaemon
from integration.minting import MintProgram
from marks import slow
from waiting import PATIENCE, until


def audit(daemon: RunningDaemon) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (daemon.state_dir / "audit.log").read_text().splitlines()]


def test_every_answer_has_its_audit_line_first(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """Who, what, by which rule, which token by its hash; never the token."""
    daemon = start_daemon(program.block("gateway"))
    answer = daemon.get("gateway")

    (line,) = [each for each in audit(daemon) if each["outcome"] == "issued"]
    assert line["token_id"] == answer.headers["token-id"]
    assert line["rule"] == "owner-may-use"
    assert line["caller"]["pid"] == os.getpid()
    assert line["caller"]["handle"] in {"peerpidfd", "pidfd_open"}
    assert "opaque-1" not in (daemon.state_dir / "audit.log").read_text()


def test_a_full_disk_hands_out_nothing(start_daemon: DaemonFactory, program: MintProgram) -> None:
    """A1: what cannot be recorded is not released."""
    daemon = start_daemon(program.block("gateway"))
    # As for a disk: what is there stays, and nothing can be added.
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    answer = daemon.get("gateway")

    assert answer.status == 403
    assert "audit log" in answer.text
    assert "opaque" not in answer.text


def test_a_bound_credential_goes_to_its_host_only(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """Another host, a flag in force, or nothing said: denied and recorded."""
    daemon = start_daemon(program.block("gateway", base_url='"https://llm.example.com"'))
    good = daemon.get("gateway", client_base_url="https://llm.example.com/v1")
    answers = [
        daemon.get("gateway"),
        daemon.get("gateway", client_base_url="https://evil.example"),
        daemon.get("gateway", client_base_url="https://llm.example.com@evil.example"),
        daemon.get("gateway", client_base_url="https://llm.example.com", client_flags="tls-off"),
    ]

    assert good.status == 200
    assert [(answer.status, answer.kind) for answer in answers] == [(403, "denied")] * 4
    rules = [each["rule"] for each in audit(daemon) if each["outcome"] == "denied"]
    assert rules == ["base-url", "base-url", "base-url", "tls-off"]


def test_audiences_and_scopes_must_be_listed(start_daemon: DaemonFactory) -> None:
    """What `serve` lists is minted on its own key; anything else is a bad request."""
    daemon = start_daemon(
        '[credentials.demo]\nprovider = "local"\n'
        '[credentials.demo.serve]\naudiences = ["https://a"]\nscopes = ["read"]\n'
    )
    plain = jwt.decode(daemon.get("demo").text, options={"verify_signature": False})
    narrow = jwt.decode(
        daemon.get("demo", audience="https://a", scope="read").text,
        options={"verify_signature": False},
    )

    assert "aud" not in plain
    assert (narrow["aud"], narrow["scope"]) == ("https://a", "read")
    assert daemon.get("demo", audience="https://b").kind == "bad-request"
    assert daemon.get("demo", scope="write").kind == "bad-request"
    assert daemon.status("demo")["keys"] == 2


def test_local_tokens_verify_by_the_published_key_also_after_a_restart(
    daemon: RunningDaemon,
) -> None:
    """The key set (RFC 7517) belongs to the credential, not to the process."""

    def verified() -> dict[str, Any]:
        (key,) = daemon.request("GET", "/v1/credentials/demo/jwks").json()["keys"]
        found: dict[str, Any] = jwt.decode(daemon.get("demo").text, jwt.PyJWK(key), ["ES256"])
        return {"iss": found["iss"], "kid": key["kid"]}

    before = verified()
    daemon.stop()
    daemon.start()

    assert verified() == before


def test_reported_rejection_forces_one_mint(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """`POST …/rejected` says outright what is otherwise inferred; saying it again changes nothing."""
    daemon = start_daemon(program.block("gateway"))
    token_id = daemon.get("gateway").headers["token-id"]
    body = json.dumps({"token_id": token_id}).encode()
    for _ in range(5):
        daemon.request("POST", "/v1/credentials/gateway/rejected", body=body)
    until(lambda: daemon.get("gateway").text == "opaque-2")

    assert program.mints == 2


def test_a_worker_that_asks_us_is_refused(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    """`recursion`: a program that asks the daemon that runs it hears so at once and waits for nothing."""
    seen = tmp_path / "seen"
    asking = tmp_path / "ask.py"
    asking.write_text(
        f"#!{sys.executable} -IS\n"
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        f"s.connect(open({str(tmp_path / 'socket')!r}).read())\n"
        's.sendall(b"GET /v1/credentials/loop/token HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")\n'
        "answer = b''\n"
        "while chunk := s.recv(4096): answer += chunk\n"
        f"open({str(seen)!r}, 'wb').write(answer)\n"
        "sys.exit(1)\n"
    )
    asking.chmod(0o700)
    daemon = start_daemon(f'[credentials.loop]\nprovider = "command"\ncommand = ["{asking}"]\n')
    (tmp_path / "socket").write_text(str(daemon.socket))
    began = time.monotonic()
    daemon.get("loop", timeout=200)

    assert b"HTTP/1.1 508" in seen.read_bytes()
    assert b"Credward-Kind: recursion" in seen.read_bytes()
    assert time.monotonic() - began < 100


def test_the_default_credential_answers_to_a_dash(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """`default` of the configuration, else the only one, else the names to choose from."""
    two = program.block("first") + program.block("second")
    daemon = start_daemon('default = "second"\n' + two)
    undecided = start_daemon(two)

    assert daemon.get("-").status == 200
    assert daemon.status("second")["mints"] == 1
    assert undecided.get("-").kind == "bad-request"
    assert "first, second" in undecided.get("-").text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_p1_another_user_is_denied_even_at_an_open_socket(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """P1: chmod 666 on socket and directory lets them connect, and that is all."""
    daemon = start_daemon(program.block("gateway"))
    daemon.runtime_dir.chmod(0o755)
    daemon.socket.parent.chmod(0o755)
    daemon.socket.chmod(0o666)
    client = (
        "import socket,sys;s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);"
        's.sendall(b"GET /v1/credentials/gateway/token HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n");'
        "print(s.recv(4096).split(b' ')[1].decode())"
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-S", "-c", client, str(daemon.socket)],
        user=65534,
        group=65534,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    assert done.stdout.strip() == "403", done.stderr
    assert program.mints == 0
    assert audit(daemon)[-1]["caller"]["uid"] == 65534


def test_managing_is_denied_below_a_harness_and_asking_is_not(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """An agent gets its token and does not loosen its own reins."""
    daemon = start_daemon(program.block("gateway"))
    harness = daemon.home / "claude"
    shutil.copy("/bin/sh", harness)
    script = daemon.home / "ask.sh"
    ask = f"{sys.executable} -m credward"
    script.write_text(f"{ask} get gateway\n{ask} daemon reload\n")
    done = subprocess.run(
        [str(harness), str(script)],
        env=daemon.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout == "opaque-1\n"
    assert "no-manage-under-harness" in done.stderr
    assert done.returncode == 77


@pytest.mark.parametrize("count", [5, *slow(50)])
def test_s10_many_starters_give_one_daemon(
    start_daemon: DaemonFactory, program: MintProgram, count: int
) -> None:
    """S10: one serves, the others say so and leave it alone."""
    daemon = start_daemon.prepare(program.block("gateway"))
    command = [sys.executable, "-m", "credward", "serve"]
    children = [
        subprocess.Popen(
            command,
            env=daemon.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    try:
        until(lambda: sum(child.poll() is None for child in children) == 1, 240)
        (winner,) = [child for child in children if child.poll() is None]
        losers = [child for child in children if child is not winner]

        assert {child.returncode for child in losers} == {73}
        assert all("already running" in child.stderr.read() for child in losers if child.stderr)
        until(lambda: listening(daemon.socket))
        assert daemon.get("gateway").text == "opaque-1"
        assert daemon.request("GET", "/v1/health").json()["pid"] == winner.pid
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
                child.wait(PATIENCE)
            if child.stderr:
                child.stderr.close()


def test_s10_a_socket_from_the_service_manager_is_served(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """S10: started by the first connection, the file is the manager's and stays."""
    activate = shutil.which("systemd-socket-activate")
    if activate is None:
        pytest.skip("systemd-socket-activate is not installed")
    daemon = start_daemon.prepare(program.block("gateway"))
    path = daemon.runtime_dir / "activated.sock"
    command = [activate, "-l", str(path), "--fdname=credward"]
    for name, value in daemon.environment.items():
        command += ["-E", f"{name}={value}"]
    child = subprocess.Popen(
        [*command, sys.executable, "-m", "credward", "serve"],
        env=daemon.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: listening(path))
        daemon.socket = path
        assert daemon.get("gateway").text == "opaque-1"
        child.terminate()
        assert child.wait(PATIENCE) == 0
        assert path.exists()
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def test_s11_what_is_unknown_is_ignored_both_ways(daemon: RunningDaemon) -> None:
    """S11: a newer helper's query names and headers do not disturb an older daemon."""
    answer = daemon.request(
        "GET",
        "/v1/credentials/demo/token?timeout=5&quantum=1",
        headers={"X-Newer": "yes"},
    )

    assert answer.status == 200
    assert daemon.request("BREW", "/v1/credentials").status in {400, 405}


def test_s11_lone_surrogates_are_a_bad_request_in_every_body(start_daemon: DaemonFactory) -> None:
    """S11: JSON can spell half a character, which is no text: 400 wherever a body is read."""
    daemon = start_daemon(
        """
        [store]
        key = "key_file"
        [credentials.demo]
        provider = "entra"
        tenant = "contoso.com"
        client_id = "00000000-0000-4000-8000-000000000000"
        scope = "api://x/.default"
        """
    )
    claims = json.dumps({"claims": json.dumps({"access_token": "\ud800"})}).encode()
    answer = daemon.request("POST", "/v1/grants/demo/login", body=claims)
    assert (answer.status, answer.kind) == (400, "bad-request")
    routes = [each for each in ROUTES if each.body is not None]
    for route in routes:
        path = route.path.replace("{name}", "demo").replace("{id}", "0")
        for field in route.body.__struct_fields__:
            body = json.dumps(dict.fromkeys(route.body.__struct_fields__, "x") | {field: "\ud800"})
            answer = daemon.request(route.verb, path, body=body.encode())
            assert (answer.status, answer.kind) == (400, "bad-request"), (
                f"{route.verb} {path} {field}"
            )

    assert len(routes) >= 7
    assert "Traceback" not in daemon.log()


def test_s11_what_a_request_says_is_bounded_before_it_is_written_down(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """S11: no line of the audit log grows with what a caller makes up."""
    daemon = start_daemon(program.block("gateway"))
    daemon.get("gateway")
    path = "/v1/credentials/gateway/rejected"
    for token_id, status in (("x" * 60_000, 400), ("x" * 256, 202), ("\x1b[2J\n", 202)):
        body = json.dumps({"token_id": token_id}).encode()
        assert daemon.request("POST", path, body=body).status == status
    daemon.request("GET", f"/v1/credentials/{'y' * 8000}/token")

    texts = [text for line in audit(daemon) for text in line.values() if isinstance(text, str)]
    assert "x" * 256 in texts
    assert all(text.isprintable() and len(text) <= 256 for text in texts)


def test_s11_a_program_whose_name_is_no_text_is_served_and_recorded(
    start_daemon: DaemonFactory, program: MintProgram, tmp_path: Path
) -> None:
    """S11: file names are bytes; such a caller is decided on and written down as any other."""
    daemon = start_daemon(program.block("gateway"))
    copy = os.fsencode(tmp_path) + b"/caf\xe9"
    shutil.copy(os.path.realpath(sys.executable), copy)
    script = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "s.sendall(b'GET /v1/credentials/gateway/token HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n"
        "print(s.recv(4096).decode())\n"
    )
    environment = {"PYTHONHOME": sys.base_prefix, "PATH": os.defpath}
    asked = subprocess.run(
        [copy, "-S", "-c", script, str(daemon.socket)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert asked.stdout.startswith("HTTP/1.1 200 "), asked.stdout
    (line,) = [each for each in audit(daemon) if each["outcome"] == "issued"]
    assert line["caller"]["pid"] > 0
    assert "executable" not in line["caller"], "no rule can name it"
    assert daemon.request("GET", "/v1/credentials").status == 200


def test_metrics_health_and_readiness(daemon: RunningDaemon) -> None:
    """O4: ready without upstream; counters by format and outcome, no secret in a label."""
    daemon.get("demo")
    metrics = daemon.request("GET", "/metrics").text

    assert 'credward_answers_total{format="token",outcome="issued"} 1.0' in metrics
    assert daemon.request("GET", "/v1/ready").json() == {"ready": True, "reasons": []}
    assert daemon.request("GET", "/v1/health").json()["status"] == "ok"


def test_requests_at_once_on_one_connection_are_answered_in_order(daemon: RunningDaemon) -> None:
    """Pipelining: each has its answer, in the order of asking."""
    request = b"GET /v1/credentials/demo/token HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.socket))
        client.sendall(request * 3 + last)
        raw = b""
        while chunk := client.recv(65536):
            raw += chunk

    assert re.findall(rb"HTTP/1.1 (\d+)", raw) == [b"200", b"200", b"200", b"404"]
