"""`[notify] login_required` in a whole daemon: run once, told nothing secret, in nobody's way."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fakes.oauth_server import OAuthServer
from integration.command_line import cli
from integration.daemon import DaemonFactory, RunningDaemon, permit_all
from waiting import until

_PROGRAM = """#!{python} -IS
import json, os, sys, time
with open({out!r}, "a") as file:
    file.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
time.sleep({sleep})
"""


class Told:
    """The program that is run, and what it was told."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.path = folder / "tell"
        self._out = folder / "told"
        self.make(sleep=0)

    def make(self, *, sleep: float) -> None:
        self.path.write_text(
            _PROGRAM.format(python=sys.executable, out=str(self._out), sleep=sleep)
        )
        self.path.chmod(0o700)

    @property
    def runs(self) -> list[tuple[list[str], dict[str, str]]]:
        text = self._out.read_text() if self._out.exists() else ""
        return [tuple(json.loads(line)) for line in text.splitlines()]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path / "notify")


def prepare(
    start_daemon: DaemonFactory, tmp_path: Path, told: Told, server: OAuthServer
) -> RunningDaemon:
    text = permit_all(tmp_path) + f'[notify]\nlogin_required = ["{told.path}", "--urgent"]\n'
    for name in ("one", "two"):
        text += (
            f'[credentials.{name}]\nprovider = "oauth"\nissuer = "{server.issuer}"\n'
            f'client_id = "client-1"\nscope = "openid offline_access"\ngrant = "login"\n'
        )
    return start_daemon(text)


def give(daemon: RunningDaemon, server: OAuthServer) -> str:
    grant: str = server.grant()
    assert daemon.hand_over("login", grant).status == 200
    return grant


def test_a_login_that_becomes_needed_is_told_once(
    start_daemon: DaemonFactory, tmp_path: Path, told: Told
) -> None:
    """By a refused refresh: for all who ask, for both credentials, and over a restart."""
    with OAuthServer() as server:
        daemon = prepare(start_daemon, tmp_path, told, server)
        secret = give(daemon, server)
        token = daemon.get("one").text
        server.families[-1].revoked = True
        for name in ("one", "two"):
            daemon.request("POST", f"/v1/credentials/{name}/refresh")
        for _ in range(20):
            assert daemon.get("two").kind == "login-required"
        until(lambda: told.runs)
        daemon.kill9()
        daemon.start()
        for _ in range(20):
            assert daemon.get("two").kind == "login-required"
        time.sleep(2.0)

        ((arguments, environment),) = told.runs
        text = '"one" (alice@example.com) needs a login: run credward login one'
        assert arguments == ["--urgent", text]
        assert environment["CREDWARD_EVENT"] == "login-required"
        assert environment["CREDWARD_CREDENTIALS"] == "one"
        seen = json.dumps([arguments, environment])
        for each in (
            secret,
            server.families[-1].current,
            token,
            daemon.environment["CANARY_SECRET"],
        ):
            assert each not in seen


@pytest.mark.slow
def test_a_program_that_hangs_keeps_nobody_waiting(
    start_daemon: DaemonFactory, tmp_path: Path, told: Told
) -> None:
    """Answers go on while it runs, and the daemon ends in time and takes it along."""
    told.make(sleep=600)
    with OAuthServer() as server:
        daemon = prepare(start_daemon, tmp_path, told, server)
        assert daemon.get("one").kind == "login-required"
        until(lambda: told.runs)
        begun = time.monotonic()
        for _ in range(20):
            assert daemon.get("two").kind == "login-required"
        assert time.monotonic() - begun < 60
        assert daemon.stop() == 0
        until(lambda: not running(told.path))


@pytest.mark.slow
def test_an_end_that_is_known_is_told_ahead(
    start_daemon: DaemonFactory, tmp_path: Path, told: Told
) -> None:
    """In status by a warning; a rotation that puts the end off takes it back."""
    with OAuthServer() as server:
        server.extra = {"refresh_token_expires_in": 200}
        daemon = prepare(start_daemon, tmp_path, told, server)
        give(daemon, server)
        daemon.get("one")
        warnings = status(daemon)["warnings"]
        assert not [each for each in warnings if "ends on" in each]
        server.extra = {"refresh_token_expires_in": 24}
        daemon.request("POST", "/v1/credentials/one/refresh")
        until(lambda: [each for each in status(daemon)["warnings"] if "ends on" in each])
        shown = cli(daemon, "status").stdout
        assert 'warning: the login of "one" (alice@example.com) ends on' in shown
        server.extra = {"refresh_token_expires_in": 9000}
        time.sleep(0.6)
        daemon.request("POST", "/v1/credentials/one/refresh")
        assert not [each for each in status(daemon)["warnings"] if "ends on" in each]


def status(daemon: RunningDaemon) -> Any:
    return daemon.request("GET", "/v1/credentials").json()


def running(program: Path) -> bool:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if str(program).encode() in (entry / "cmdline").read_bytes():
                    return True
            except OSError:
                continue
    return False
