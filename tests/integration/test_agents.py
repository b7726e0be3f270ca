"""What an agent may not do to logins, grants and the store, with the policy that ships."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from fakes.oauth_server import OAuthServer
from integration.command_line import by_owner
from integration.daemon import DaemonFactory, RunningDaemon

pytestmark = [by_owner, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

CONFIG = """
[credentials.gateway]
provider = "oauth"
issuer = "{issuer}"
client_id = "client-1"
scope = "openid offline_access"
"""
# Becomes a harness by name, and asks from a child, or by itself; or asks from an orphan that nobody stands above.
AGENT = """
import json, os, sys, time
from pathlib import Path
from integration.daemon import RunningDaemon
away = sys.argv[4] == "away"
if not away:
    Path("/proc/self/comm").write_text("claude")
above = os.getpid()
itself = sys.argv[4] == "itself"
if not itself and (child := os.fork()):
    os.waitpid(child, 0)
    sys.exit()
if away:
    os.setsid()
    if os.fork():
        os._exit(0)
    while os.getppid() in {above, os.getsid(0)}:
        time.sleep(0.01)
elif not itself:
    Path("/proc/self/comm").write_text("python3")
daemon = RunningDaemon(Path(sys.argv[1]), Path(sys.argv[2]), {})
answers = []
for verb, path, body in json.loads(sys.argv[3]):
    answer = daemon.request(verb, path, body=body.encode())
    answers.append((answer.status, answer.text))
os.write(1, json.dumps(answers).encode())
os._exit(0)
"""
Request = tuple[str, str, str]
MANAGING: list[Request] = [
    ("POST", "/v1/reload", ""),
    ("POST", "/v1/grants/gateway/grant", '{"grant": "mine"}'),
    ("POST", "/v1/grants/gateway/logout", ""),
    ("POST", "/v1/grants/gateway/revoke", ""),
    # Whoever may not do it does not hear what there is either.
    ("POST", "/v1/grants/gatewey/logout", ""),
    ("POST", "/v1/revoke-all", ""),
    ("POST", "/v1/lock", '{"passphrase": "mine"}'),
    ("POST", "/v1/unlock", '{"passphrase": "mine"}'),
    ("PUT", "/v1/secrets/key", '{"value": "mine"}'),
    ("DELETE", "/v1/secrets/key", ""),
    ("POST", "/v1/choices", '{"credential": "gateway"}'),
    ("POST", "/v1/secrets/key/allow", ""),
]


def agent(
    daemon: RunningDaemon, *asks: Request, way: str = "below", **marks: str
) -> list[tuple[int, str]]:
    """Return what an agent is answered: `below` its harness, `itself` the harness, or `away` from it."""
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [
            *(sys.executable, "-c", AGENT, str(daemon.home), str(daemon.runtime_dir)),
            *(json.dumps(asks), way),
        ],
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent / "broker")]),
            **marks,
        },
        capture_output=True,
        timeout=60,
        check=True,
    )
    return [(status, text) for status, text in json.loads(done.stdout)]


@pytest.fixture
def daemon(start_daemon: DaemonFactory, server: OAuthServer) -> RunningDaemon:
    return start_daemon(CONFIG.format(issuer=server.issuer))


def events(daemon: RunningDaemon, login: str, *kinds: str) -> list[dict[str, Any]]:
    """Wait for an event of these kinds and return all that there are so far."""
    deadline = time.monotonic() + 60
    while True:
        answer = daemon.request("GET", f"/v1/logins/{login}/events?timeout=0")
        found = [json.loads(line) for line in answer.body.splitlines()]
        if any(each["event"] in kinds for each in found):
            return found
        assert time.monotonic() < deadline, f"none of {kinds} in {found}"
        time.sleep(0.05)


def begin(daemon: RunningDaemon) -> str:
    login: str = daemon.request("POST", "/v1/grants/gateway/login").json()["login_id"]
    events(daemon, login, "prompt")
    return login


def finish(daemon: RunningDaemon, login: str) -> dict[str, Any]:
    """Do as a user does in the browser, and return how the login ended."""
    (url,) = [each["url"] for each in events(daemon, login, "prompt") if "url" in each]
    requests.get(url, timeout=30).raise_for_status()
    return events(daemon, login, "done", "error")[-1]


@pytest.mark.parametrize("way", ["below", "itself", "away"])
def test_s8_managing(daemon: RunningDaemon, way: str) -> None:
    """S-8: is denied to a harness and below it, and to what an agent sent away with its mark still on."""
    answers = agent(daemon, *MANAGING, way=way, **({"CLAUDECODE": "1"} if way == "away" else {}))

    assert [status for status, _ in answers] == [403] * len(MANAGING)
    assert all("no-manage-under-harness" in text for _, text in answers)


def test_the_login_of_its_owner(daemon: RunningDaemon, server: OAuthServer) -> None:
    """An agent neither answers nor ends it, nor learns the address with which it could."""
    login = begin(daemon)
    pasted = '{"field": "redirect_url", "value": "http://127.0.0.1/callback?code=mine&state=x"}'

    seen, answered, ended, given_up = agent(
        daemon,
        ("GET", f"/v1/logins/{login}/events?timeout=0", ""),
        ("POST", f"/v1/logins/{login}/answer", pasted),
        ("DELETE", f"/v1/logins/{login}", ""),
        ("DELETE", "/v1/grants/gateway/login", ""),
    )

    assert (seen[0], answered[0], ended[0], given_up[0]) == (200, 403, 403, 403)
    assert "state=" not in seen[1]
    assert server.issuer not in seen[1]
    assert "started by its owner" in answered[1]
    assert finish(daemon, login)["event"] == "done"


def test_a_login_of_its_own(daemon: RunningDaemon) -> None:
    """It may show it, answer it and end it."""
    (started,) = agent(daemon, ("POST", "/v1/grants/gateway/login", ""))
    login = json.loads(started[1])["login_id"]
    events(daemon, login, "prompt")

    seen, ended = agent(
        daemon,
        ("GET", f"/v1/logins/{login}/events?timeout=0", ""),
        ("DELETE", f"/v1/logins/{login}", ""),
    )

    assert "state=" in seen[1]
    assert ended[0] == 202


@pytest.mark.slow
def test_a_login_of_its_own_as_somebody_else(
    daemon: RunningDaemon, server: OAuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Does not change whose grant it is; its owner's does."""
    assert finish(daemon, begin(daemon))["account"] == "alice@example.com"
    honest = server.id_token
    monkeypatch.setattr(
        server, "id_token", lambda **words: honest(email="evil@example.com", **words)
    )
    used = len(server.families[0].used)
    (started,) = agent(daemon, ("POST", "/v1/grants/gateway/login", ""))

    ended = finish(daemon, json.loads(started[1])["login_id"])

    assert (ended["event"], ended["kind"]) == ("error", "denied")
    assert "keeps its account" in ended["message"]
    assert daemon.get("gateway").status == 200
    assert len(server.families[0].used) == used + 1
    assert finish(daemon, begin(daemon))["account"] == "evil@example.com"


@pytest.mark.slow
def test_what_its_owner_does_is_written_down(daemon: RunningDaemon) -> None:
    """What opens, closes and changes the store, and a wrong passphrase; never what was typed."""
    for verb, path, body in (
        ("PUT", "/v1/secrets/key", {"value": "the-value"}),
        ("DELETE", "/v1/secrets/key", {}),
        ("POST", "/v1/lock", {"passphrase": "the-passphrase"}),
        ("POST", "/v1/unlock", {"passphrase": "another"}),
        ("POST", "/v1/unlock", {"passphrase": "the-passphrase"}),
        ("POST", "/v1/revoke-all", {}),
    ):
        daemon.request(verb, path, body=json.dumps(body).encode())

    text = (daemon.state_dir / "audit.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(each["outcome"], each["credential"]) for each in lines] == [
        ("secret-set", "secret:key"),
        ("secret-removed", "secret:key"),
        ("locked", "*"),
        ("unlock-refused", "*"),
        ("unlocked", "*"),
        ("revoked-all", "*"),
    ]
    assert not any(word in text for word in ("the-value", "the-passphrase", "another"))
