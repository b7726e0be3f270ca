"""What is told of a login that failed, by the whole daemon, until one works."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.oauth_server import Answer, OAuthServer
from integration.command_line import by_owner, cli
from integration.daemon import DaemonFactory

# Agents may start one login a minute, and this needs two.
pytestmark = by_owner

CONFIG = """
[credentials.gateway]
provider = "oauth"
issuer = "{issuer}"
client_id = "client-1"
scope = "offline_access"
"""


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    with OAuthServer() as running:
        yield running


def test_needs_a_login_says_why_the_last_one_failed(
    start_daemon: DaemonFactory, server: OAuthServer
) -> None:
    """In `get`, `status` and `doctor`, in the words of that login; never what the server wrote."""
    daemon = start_daemon(CONFIG.format(issuer=server.issuer))
    needed = '"gateway" needs a login: run credward login gateway'
    assert cli(daemon, "get", "gateway").stderr == f"credward: {needed}\n"
    body = b'{"error": "invalid_scope", "error_description": "ask Bob of Floor 3"}'
    server.script.append(Answer(status=400, body=body))
    failed = cli(daemon, "login", "gateway", "--device")
    said = failed.stderr.splitlines()[-1].removeprefix("credward: ")
    line = f"{needed}; the last login failed: {said}"
    shown = cli(daemon, "status", "gateway").stdout.splitlines()
    (last,) = [each for each in shown if each.startswith("last login:")]

    assert failed.returncode != 0
    assert "invalid_scope" in said
    assert "Floor 3" not in failed.stderr + failed.stdout
    assert cli(daemon, "get", "gateway").stderr == f"credward: {line}\n"
    assert last.endswith(f"): {said}")
    assert line in shown
    assert f"fail token: {line}" in cli(daemon, "doctor", "gateway").stdout
    assert cli(daemon, "login", "gateway", "--device").returncode == 0
    assert "last login" not in cli(daemon, "status", "gateway").stdout
    assert cli(daemon, "get", "gateway").returncode == 0
