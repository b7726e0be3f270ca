"""Chains of credentials, with the whole daemon and programs that fail to order."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integration.daemon import DaemonFactory, RunningDaemon
from integration.minting import MintProgram
from waiting import until

_URL = "https://llm.example.com"
# An agent that asks whenever it is told a line, always as the same process.
_AGENT = """
import subprocess, sys
for _ in sys.stdin:
    subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
    sys.stdout.flush()
"""
_ASK = """
import http.client, socket
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect({path!r})
connection = Unix("credward")
connection.request("GET", "/v1/credentials/main/token")
answer = connection.getresponse()
answer.read()
print(answer.headers["Credential"], flush=True)
"""


@pytest.fixture
def main(tmp_path: Path) -> MintProgram:
    return MintProgram(tmp_path / "main")


@pytest.fixture
def spare(tmp_path: Path) -> MintProgram:
    program = MintProgram(tmp_path / "spare")
    program.set(raw='{"version": 1, "token": "from-the-spare", "expires_in": 3600}')
    return program


def chain(main: MintProgram, spare: MintProgram, **extra: object) -> str:
    return main.block("main", fallback='["spare"]', **extra) + spare.block("spare", **extra)


def audit(daemon: RunningDaemon) -> list[tuple[str, str]]:
    lines = (daemon.state_dir / "audit.log").read_text().splitlines()
    return [(each["credential"], each["outcome"]) for each in map(json.loads, lines)]


def unusable(daemon: RunningDaemon) -> dict[str, Any]:
    listed = daemon.request("GET", "/v1/credentials").json()["unusable"]
    return {each.pop("credential"): each for each in listed}


def test_while_the_first_has_a_token_the_spare_is_left_alone(
    start_daemon: DaemonFactory, main: MintProgram, spare: MintProgram
) -> None:
    """The answer says who served it."""
    daemon = start_daemon(chain(main, spare))
    answer = daemon.get("main")

    assert (answer.text, answer.headers["credential"]) == ("opaque-1", "main")
    assert spare.mints == 0
    assert unusable(daemon) == {}


def test_a_failing_entry_cools_down_while_the_next_one_serves(
    start_daemon: DaemonFactory, main: MintProgram, spare: MintProgram
) -> None:
    """One call to it, however many ask meanwhile; the record says what was handed out."""
    main.set(exit=75)
    daemon = start_daemon(chain(main, spare))
    answers = [daemon.get("main") for _ in range(20)]

    assert {answer.text for answer in answers} == {"from-the-spare"}
    assert {answer.headers["credential"] for answer in answers} == {"spare"}
    assert (main.mints, spare.mints) == (1, 1)
    assert audit(daemon) == [("main", "failed"), *[("spare", "issued")] * 20]
    window = unusable(daemon)["main"]
    assert (window["kind"], window["reason"]) == ("cooldown", "provider-unreachable")
    assert window["recovery"] == "retry"
    assert 0 < window["remaining"] <= 30


@pytest.mark.slow
def test_an_entry_that_hangs_leaves_time_for_the_next_one(
    start_daemon: DaemonFactory, main: MintProgram, spare: MintProgram
) -> None:
    """It gets most of the caller's patience; its mint goes on, and what it brings ends the pause."""
    main.set(hold="")
    daemon = start_daemon(chain(main, spare))
    first = daemon.get("main", timeout=20)
    assert (first.headers["credential"], main.mints) == ("spare", 1)
    assert unusable(daemon)["main"]["reason"] == "timed-out"
    main.set(hold=None)
    until(lambda: not unusable(daemon))

    assert daemon.status("main")["state"] == "fresh"
    assert audit(daemon) == [("main", "failed"), ("spare", "issued")]
    assert main.mints == 1


def test_a_parked_entry_is_disabled_until_somebody_acts(
    start_daemon: DaemonFactory, main: MintProgram, spare: MintProgram
) -> None:
    """login-required, for the one asked for and for nobody else."""
    main.set(exit=67)
    daemon = start_daemon(chain(main, spare))
    answers = [daemon.get("main") for _ in range(3)]

    assert {answer.headers["credential"] for answer in answers} == {"spare"}
    assert main.mints == 1
    assert daemon.status("main")["state"] == "parked"
    assert unusable(daemon)["main"] == {
        "kind": "disabled",
        "reason": "login-required",
        "recovery": "reauthorize",
        "since": None,
        "until": None,
        "remaining": None,
    }


def test_g2_a_login_of_another_tool_is_tried_by_a_refresh(
    start_daemon: DaemonFactory, main: MintProgram
) -> None:
    """Nobody tells us of it; whoever asks causes no run of the program meanwhile."""
    main.set(exit=67)
    daemon = start_daemon(main.block("main"))
    told = daemon.get("main")
    assert told.kind == "login-required"
    assert told.json()["hint"].endswith("after that login run credward get --fresh main")
    main.set(exit=None)
    assert {daemon.get("main").kind for _ in range(5)} == {"login-required"}
    assert main.mints == 1

    assert daemon.request("POST", "/v1/credentials/main/refresh").status == 200
    assert daemon.get("main").text == "opaque-2"


def test_a_session_stays_with_the_spare_until_that_fails(
    start_daemon: DaemonFactory, main: MintProgram, spare: MintProgram
) -> None:
    """The first one is well again and serves others; a session does not change its mind."""
    main.set(exit=75)
    daemon = start_daemon(chain(main, spare))
    with subprocess.Popen(
        [sys.executable, "-c", _AGENT, _ASK.format(path=str(daemon.socket))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as agent:
        assert agent.stdin is not None
        assert agent.stdout is not None

        def ask() -> str:
            assert agent.stdin is not None
            assert agent.stdout is not None
            agent.stdin.write("\n")
            agent.stdin.flush()
            return agent.stdout.readline().strip()

        assert ask() == "spare"
        main.set(exit=None)
        assert daemon.request("POST", "/v1/credentials/main/refresh").status == 200
        assert ask() == "spare"
        assert unusable(daemon) == {}
        # Changed words drop the token that the spare holds.
        spare.set(raw=None, exit=67)
        daemon.write_config(chain(main, spare, lifetime=600))
        assert daemon.request("POST", "/v1/reload").status == 200
        assert ask() == "main"
        agent.stdin.close()


def test_where_none_serves_the_failure_is_about_the_one_asked_for(
    start_daemon: DaemonFactory, main: MintProgram, spare: MintProgram
) -> None:
    """Callers know that name, and its remedy."""
    main.set(exit=67)
    spare.set(raw=None, exit=75)
    daemon = start_daemon(chain(main, spare))
    answers = [daemon.get("main") for _ in range(3)]

    assert {answer.kind for answer in answers} == {"login-required"}
    assert all(answer.json()["detail"].startswith('"main" ') for answer in answers)
    assert set(unusable(daemon)) == {"main", "spare"}


def test_policy_and_base_url_are_those_of_the_entry_that_serves(
    start_daemon: DaemonFactory, main: MintProgram, spare: MintProgram, tmp_path: Path
) -> None:
    """A spare that the caller may not have is no spare; a wrong host is refused before any."""
    policies = tmp_path / "policies"
    policies.mkdir(mode=0o700)
    rule = policies / "spare.cedar"
    rule.write_text(
        '@id("no-spare")\nforbid (principal is Caller, action == Action::"Issue",'
        ' resource == Credential::"spare");\n'
    )
    rule.chmod(0o600)
    main.set(exit=75)
    text = chain(main, spare, base_url=f'"{_URL}"') + f'[policy]\ndirectory = "{policies}"\n'
    daemon = start_daemon(text)
    elsewhere = daemon.get("main", client_base_url="https://evil.example.com")
    refused = daemon.get("main", client_base_url=_URL)

    assert (elsewhere.status, elsewhere.kind) == (403, "denied")
    assert (refused.status, refused.kind) == (503, "provider-unreachable")
    assert spare.mints == 0
    assert audit(daemon) == [("main", "denied"), ("main", "failed"), ("spare", "denied")]
    rule.unlink()
    assert daemon.request("POST", "/v1/reload").status == 200
    answer = daemon.get("main", client_base_url=_URL)
    assert answer.headers["credential"] == "spare"


def test_a_wrong_ask_is_not_passed_on(
    start_daemon: DaemonFactory, main: MintProgram, spare: MintProgram
) -> None:
    """An audience that is not served is the caller's mistake, whoever would be asked."""
    daemon = start_daemon(chain(main, spare))
    answer = daemon.get("main", audience="https://other.example.com")

    assert (answer.status, answer.kind) == (400, "bad-request")
    assert (main.mints, spare.mints) == (0, 0)


def test_a_token_of_the_spare_that_was_refused_upstream_is_minted_anew(
    start_daemon: DaemonFactory, main: MintProgram, spare: MintProgram
) -> None:
    """Who reports it knows only the name that it asked for."""
    main.set(exit=67)
    daemon = start_daemon(chain(main, spare))
    served = daemon.get("main")
    body = json.dumps({"token_id": served.headers["token-id"]}).encode()
    assert daemon.request("POST", "/v1/credentials/main/rejected", body=body).status == 202

    until(lambda: spare.mints >= 2)
    assert spare.mints == 2
