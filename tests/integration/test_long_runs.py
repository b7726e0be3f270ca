"""Before a long run: logins that end inside the time are asked for once, before; the rest is said."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.oauth_server import OAuthServer
from integration.command_line import by_owner, cli, command
from integration.daemon import DaemonFactory, RunningDaemon
from integration.on_terminal import OnTerminal

pytestmark = by_owner

SSO = """
[credentials.{name}]
provider = "oauth"
issuer = "{issuer}"
client_id = "client-1"
scope = "openid offline_access"
"""
# What the daemon mints from the login of another one, and what replaces it.
MORE = """
[credentials.demo]
provider = "local"
[credentials.behind]
provider = "entra"
tenant = "t.example.com"
client_id = "c"
scope = "api://x/.default"
client_assertion = {{ credential = "{name}" }}
[credentials.foreign]
provider = "entra"
source = "az"
scope = "api://x/.default"
"""
HOUR = 3600


@pytest.fixture
def upstream() -> Iterator[OAuthServer]:
    with OAuthServer() as running:
        yield running


@pytest.fixture
def daemon(start_daemon: DaemonFactory, upstream: OAuthServer) -> RunningDaemon:
    """A daemon whose credential `sso` needs a login, and others that depend on that or on none."""
    return start_daemon((SSO + MORE).format(name="sso", issuer=upstream.issuer))


@pytest.fixture
def browser(tmp_path: Path) -> str:
    """A browser that goes where it is sent, and counts."""
    program = tmp_path / "browser"
    program.write_text(
        f"#!{sys.executable} -I\n"
        "import sys, urllib.request\n"
        f"open({str(tmp_path / 'opened')!r}, 'a').write('x')\n"
        "urllib.request.urlopen(sys.argv[-1], timeout=60).read()\n"
    )
    program.chmod(0o700)
    return str(program)


def opened(tmp_path: Path) -> int:
    """Return how many times the browser was opened."""
    file = tmp_path / "opened"
    return len(file.read_text()) if file.exists() else 0


def log_in(daemon: RunningDaemon, browser: str) -> None:
    done = cli(daemon, "login", "sso", BROWSER=browser)
    assert done.returncode == 0, done.stderr


def run(daemon: RunningDaemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it without a terminal."""
    return subprocess.run(
        command("run", *arguments),
        env=daemon.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def forecast(daemon: RunningDaemon, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = cli(daemon, "status", "--json", *arguments)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def test_a_login_that_ends_inside_is_asked_for_once_before(
    daemon: RunningDaemon, upstream: OAuthServer, browser: str, tmp_path: Path
) -> None:
    """On a terminal the command starts after that; nothing of the login is in its output."""
    upstream.extra["refresh_expires_in"] = HOUR
    log_in(daemon, browser)
    upstream.extra["refresh_expires_in"] = 24 * HOUR
    before = opened(tmp_path)
    words = ("run", "--with", "sso=gce", "--with", "behind=azure-imds", "--for", "8h")
    with OnTerminal(
        daemon, *words, "--", "echo", "started", environment={"BROWSER": browser}
    ) as screen:
        assert screen.end() == 0, screen.text

    assert 'the login of "sso" (alice@example.com) ends in 59m' in screen.text
    assert "before 8h00m are over: log in now" in screen.text
    assert screen.text.rstrip().endswith("started")
    assert opened(tmp_path) == before + 1
    # And once it lasts, nobody is asked again.
    assert run(daemon, "--with", "sso=gce", "--for", "8h", "--", "true").returncode == 0
    assert opened(tmp_path) == before + 1


def test_without_a_terminal_the_line_to_type_is_printed(
    daemon: RunningDaemon, upstream: OAuthServer, browser: str
) -> None:
    """And nothing is started, unless that is wanted anyway."""
    done = run(daemon, "--with", "sso=gce", "--for", "8h", "--", "echo", "started")
    assert (done.returncode, done.stdout) == (67, "")
    assert done.stderr == (
        'credward: the login of "sso" is needed now: run credward login sso, then run this again, '
        "or add --anyway\n"
    )
    upstream.extra["refresh_expires_in"] = HOUR
    log_in(daemon, browser)
    done = run(daemon, "--with", "sso=gce", "--for", "8h", "--", "echo", "started")
    assert (done.returncode, done.stdout) == (67, "")
    assert (
        "before 8h00m are over: run credward login sso, then run this again, or add --anyway"
        in done.stderr
    )
    anyway = run(daemon, "--with", "sso=gce", "--for", "8h", "--anyway", "--", "echo", "started")
    assert (anyway.returncode, anyway.stdout) == (0, "started\n")
    assert 'note: the login of "sso"' in anyway.stderr


def test_a_new_login_that_ends_too_early_too_does_not_start_it(
    daemon: RunningDaemon, upstream: OAuthServer, browser: str, tmp_path: Path
) -> None:
    """Asked once, not again and again."""
    upstream.extra["refresh_expires_in"] = HOUR
    with OnTerminal(
        daemon,
        *("run", "--with", "sso=gce", "--for", "8h", "--", "echo", "star" + "ted"),
        environment={"BROWSER": browser},
    ) as screen:
        assert screen.end() == 67

    assert opened(tmp_path) == 1
    text = " ".join(screen.text.split())
    assert "run it for a shorter time, or add --anyway" in text
    assert "started" not in text


def test_what_cannot_be_told_is_said_and_goes_on(daemon: RunningDaemon, browser: str) -> None:
    """A server that does not tell when the login ends, and a login that another tool keeps."""
    log_in(daemon, browser)
    done = run(
        daemon,
        *("--with", "sso=gce", "--with", "foreign=azure-imds", "--for", "8h", "--"),
        *("echo", "started"),
    )

    assert (done.returncode, done.stdout) == (0, "started\n")
    told = [
        line.removeprefix("credward: note: how long the login of ")
        for line in done.stderr.splitlines()
    ]
    assert told == [
        '"sso" (alice@example.com) lasts is unknown: its server does not tell',
        '"foreign" lasts is unknown: it is kept by the Azure CLI',
    ]


def test_status_tells_the_same(daemon: RunningDaemon, upstream: OAuthServer, browser: str) -> None:
    """0: all last; 1: one ends; 2: one cannot be told. Nobody is asked."""
    assert forecast(daemon, "--for", "8h", "demo")[0] == 0
    assert forecast(daemon, "--for", "8h", "foreign")[0] == 2
    assert forecast(daemon, "--for", "8h")[0] == 1
    upstream.extra["refresh_expires_in"] = HOUR
    log_in(daemon, browser)
    assert forecast(daemon, "--for", "30m", "sso", "behind")[0] == 0
    code, told = forecast(daemon, "--for", "8h", "sso", "behind")

    assert (code, told["verdict"], told["seconds"]) == (1, "ends", 8 * HOUR)
    assert [each["name"] for each in told["credentials"]] == ["sso", "behind"]
    for each in told["credentials"]:
        (login,) = each["logins"]
        assert (login["verdict"], login["credential"]) == ("ends", "sso")
        assert login["account"] == "alice@example.com"
        assert 0 < login["ends_at"] - told["now"] <= HOUR
    shown = cli(daemon, "status", "--for", "8h", "behind").stdout
    assert shown.splitlines()[0].split() == ["NAME", "FOR", "8h00m", "LOGIN", "ENDS"]
    assert shown.rstrip().endswith("before 8h00m are over: run credward login sso")


def test_an_end_that_renewals_put_off_is_unknown(
    daemon: RunningDaemon, upstream: OAuthServer, browser: str
) -> None:
    """A session that ends when nobody uses it for a while: how long it lasts in use is not told."""
    upstream.extra["refresh_expires_in"] = HOUR
    log_in(daemon, browser)
    upstream.extra["refresh_expires_in"] = 2 * HOUR
    assert cli(daemon, "get", "--fresh", "sso").returncode == 0
    code, told = forecast(daemon, "--for", "8h", "sso")

    assert code == 2
    (login,) = told["credentials"][0]["logins"]
    assert "but each renewal has put that off" in login["because"]


def test_a_token_in_a_variable_must_last_itself(daemon: RunningDaemon) -> None:
    """Nobody renews it there."""
    done = run(daemon, "--with", "demo=env", "--for", "8000h", "--", "echo", "started")
    assert (done.returncode, done.stdout) == (64, "")
    assert "does not last that long, and a variable is not renewed" in done.stderr
    anyway = run(daemon, *("--with", "demo=env", "--for", "8000h", "--anyway"), "--", "true")
    assert anyway.returncode == 0, anyway.stderr


@pytest.mark.parametrize("time", ["8", "", "h", "8 h", "-8h", "0s"])
def test_what_is_no_time_is_refused(daemon: RunningDaemon, time: str) -> None:
    """With an example."""
    done = run(daemon, "--for", time, "--", "true")

    assert done.returncode == 64
    assert "write a time such as 8h, 90m or 1d12h" in done.stderr


def test_a_credential_that_needs_mending_starts_nothing(start_daemon: DaemonFactory) -> None:
    """It would get no token at night either."""
    broken = '[credentials.broken]\nprovider = "static"\nsecret = { file = "/nonexistent" }\n'
    daemon = start_daemon(broken)
    assert daemon.get("broken").status >= 400
    told = cli(daemon, "status", "--for", "8h")
    assert (told.returncode, "fails" in told.stdout) == (1, True), told.stdout
    done = cli(daemon, "run", "--for", "8h", "--", "true")
    assert done.returncode == 78
    assert "cannot be read from /nonexistent" in done.stderr
    assert cli(daemon, "run", "--for", "8h", "--anyway", "--", "true").returncode == 0
