"""What a program said last before a mint failed: for the owner who asks, for nobody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from canaries import MARK, canary
from fakes.oauth_server import OAuthServer
from integration.command_line import cli
from integration.daemon import DaemonFactory, RunningDaemon, permit_all
from integration.on_terminal import OnTerminal


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """A program that fails and says why, with a secret of its own."""
    path = tmp_path / "tool"
    path.write_text(
        f"#!/bin/sh\necho starting >&2\necho 'no tenant: corp-west, key={canary('tool')}' >&2\nexit 1\n"
    )
    path.chmod(0o755)
    return path


def block(tool: Path) -> str:
    return f'[credentials.x]\nprovider = "command"\ncommand = ["{tool}"]\n'


def start(start_daemon: DaemonFactory, tmp_path: Path, tool: Path) -> RunningDaemon:
    return start_daemon(permit_all(tmp_path) + block(tool))


def test_an_owner_sees_it_on_a_terminal(
    start_daemon: DaemonFactory, tmp_path: Path, tool: Path
) -> None:
    """Without the secret; a pipe gets the one line of the error as before."""
    daemon = start(start_daemon, tmp_path, tool)
    piped = cli(daemon, "get", "x")
    with OnTerminal(daemon, "get", "x") as terminal:
        code = terminal.end()

    assert code == piped.returncode == 76
    assert "hint: the program said: no tenant: corp-west, key=***\n" in terminal.text
    assert "corp-west" not in piped.stderr
    assert piped.stderr.count("\n") == 1
    assert MARK not in terminal.text + piped.stderr


def test_add_shows_it(start_daemon: DaemonFactory, tmp_path: Path, tool: Path) -> None:
    """The owner just asked for the mint; programs get it too."""
    daemon = start_daemon(permit_all(tmp_path))
    shown = cli(daemon, "add", "x", "--", str(tool))
    as_json = cli(daemon, "add", "x", "--json", "--", str(tool))

    assert "the program said: no tenant: corp-west, key=***\n" in shown.stderr
    assert json.loads(as_json.stdout)["failure"]["said"] == "no tenant: corp-west, key=***"


def test_nobody_else_sees_it_and_no_log_has_it(
    start_daemon: DaemonFactory, tmp_path: Path, tool: Path
) -> None:
    """Who may not manage is denied, and neither status, log nor audit log holds a word of it."""
    config = permit_all(tmp_path) + block(tool)
    forbid = '@id("no") forbid (principal, action == Action::"Manage", resource);\n'
    (tmp_path / "policy/no.cedar").write_text(forbid)
    daemon = start_daemon(config)
    with OnTerminal(daemon, "get", "x") as terminal:
        code = terminal.end()
    answer = daemon.request("GET", "/v1/credentials/x/stderr")
    status = cli(daemon, "status", "--json").stdout
    audit = daemon.request("GET", "/v1/audit").text

    assert code == 76
    assert answer.kind == "denied"
    assert "failed" in audit
    for text in (terminal.text, answer.text, status, audit, daemon.log()):
        assert "corp-west" not in text
        assert MARK not in text


def test_an_edit_that_is_not_in_force_is_said(
    start_daemon: DaemonFactory, tmp_path: Path, tool: Path
) -> None:
    """A new name anywhere, a changed block on a terminal; a reload ends both."""
    daemon = start(start_daemon, tmp_path, tool)
    text = daemon.config_file.read_text()
    daemon.write_config(text.replace(str(tool), "/bin/true") + block(tool).replace(".x]", ".y]"))
    unknown = cli(daemon, "get", "--fresh", "y")
    with OnTerminal(daemon, "get", "x") as terminal:
        terminal.end()
    assert cli(daemon, "daemon", "reload").returncode == 0
    with OnTerminal(daemon, "get", "x") as later:
        later.end()

    newer = "is newer than what is in force: run credward daemon reload\n"
    line = len(text.splitlines()) + 1
    assert unknown.returncode == 78
    assert unknown.stderr == (f'credward: "y" is in {daemon.config_file}:{line}, which {newer}')
    edited = "was edited after the daemon read it: run credward daemon reload\n"
    assert f"{daemon.config_file} {edited}" in terminal.text
    assert "was edited" not in later.text


def test_words_for_what_is_not_there(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    """An empty list says so to people, a local credential needs no login."""
    daemon = start_daemon(permit_all(tmp_path) + '[credentials.demo]\nprovider = "local"\n')
    listed = cli(daemon, "secret", "list")
    login = cli(daemon, "login", "demo")
    shape = cli(daemon, "get", "demo", "--format", "jsn")

    assert (listed.returncode, listed.stdout) == (0, "")
    assert listed.stderr == "no secrets yet: run credward secret set NAME\n"
    assert login.returncode == 64
    assert "needs no login" in login.stderr
    assert login.stderr.endswith("run credward get demo\n")
    assert shape.stderr == 'credward: no format "jsn", perhaps "json"\n'


def test_whoever_corrected_the_file_hears_that_it_was_not_read(
    start_daemon: DaemonFactory, tmp_path: Path
) -> None:
    """The login fails as before, `status` says it without being asked for that, a reload ends it."""
    with OAuthServer() as upstream:
        block = (
            '[credentials.gateway]\nprovider = "oauth"\nclient_id = "c"\nscope = "openid"\n'
            f'issuer = "{upstream.issuer}/"\n'
        )
        daemon = start_daemon(permit_all(tmp_path) + block)
        first = cli(daemon, "login", "gateway", "--no-browser")
        before = cli(daemon, "status")
        daemon.write_config(
            daemon.config_file.read_text().replace(f'{upstream.issuer}/"', f'{upstream.issuer}"')
        )
        again = cli(daemon, "login", "gateway", "--no-browser")
        after = cli(daemon, "status")
        assert cli(daemon, "daemon", "reload").returncode == 0
        begun = cli(daemon, "login", "gateway", "--wait", "0")
        reloaded = cli(daemon, "status")

    unread = (
        f"{daemon.config_file} was edited after the daemon read it: run credward daemon reload\n"
    )
    assert f'set issuer = "{upstream.issuer}" (credward config edit)\n' in first.stderr
    assert first.returncode == again.returncode == 78
    assert again.stderr.splitlines()[-1] == f"{first.stderr.splitlines()[-1]}; {unread.strip()}"
    assert unread in after.stdout
    assert "was edited" not in before.stdout + reloaded.stdout
    assert f"{upstream.issuer}/authorize" in begun.stderr
