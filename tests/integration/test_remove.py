"""`credward remove`: what was made for a credential alone goes with it, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from canaries import canary
from fakes.oauth_server import OAuthServer
from integration.command_line import by_owner, cli
from integration.daemon import DaemonFactory, RunningDaemon
from integration.test_grants import LOCAL, config, import_grant, upstream

__all__ = ["upstream"]

pytestmark = by_owner

KEYS = """
[credentials.gateway]
provider = "static"
secret = { store = "gateway-key" }

[credentials.search]
provider = "static"
secret = { store = "shared-key" }

[credentials.spare]
provider = "static"
secret = { store = "shared-key" }
"""


def settings(daemon: RunningDaemon) -> Path:
    return daemon.home / ".claude/settings.json"


def test_what_was_made_for_it_goes_and_the_rest_stays(start_daemon: DaemonFactory) -> None:
    """Its block, the secret that nothing else names, and the set-up of Claude Code."""
    daemon = start_daemon(KEYS)
    for name in ("gateway-key", "shared-key"):
        assert cli(daemon, "secret", "set", name, given=canary(name)).returncode == 0
    settings(daemon).parent.mkdir()
    settings(daemon).write_text('{"model": "opus"}\n')
    assert cli(daemon, "setup", "claude-code", "gateway", "--yes").returncode in {0, 1}
    assert "credward-helper" in settings(daemon).read_text()
    shown = cli(daemon, "remove", "gateway", "--dry-run")
    unasked = cli(daemon, "remove", "gateway")
    done = cli(daemon, "remove", "gateway", "--yes")

    assert 'also removes the secret "gateway-key" from the store' in shown.stdout
    assert f"also removes our settings of Claude Code from {settings(daemon)}" in shown.stdout
    assert unasked.returncode == 64
    assert "run this again with --yes" in unasked.stderr
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.endswith("removed: gateway\n")
    assert json.loads(settings(daemon).read_text()) == {"model": "opus"}
    listed = json.loads(cli(daemon, "secret", "list", "--json").stdout)
    assert listed["names"] == ["shared-key"]
    assert cli(daemon, "get", "gateway").returncode == 78
    assert cli(daemon, "get", "search").returncode == 0
    # The one that shares a secret leaves it there.
    assert cli(daemon, "remove", "spare", "--yes").returncode == 0
    assert cli(daemon, "get", "search").returncode == 0


@pytest.mark.parametrize("names", [("one",), ("two", "three", "one")], ids=len)
def test_a_login_goes_with_the_last_credential_on_it(
    start_daemon: DaemonFactory,
    upstream: OAuthServer,
    names: tuple[str, ...],
) -> None:
    """And is revoked upstream; before that the others need it."""
    daemon = start_daemon(config(upstream) + LOCAL)
    import_grant(daemon, upstream.grant())
    for name in names:
        assert not upstream.families[0].revoked
        assert cli(daemon, "remove", name, "--yes").returncode == 0

    assert upstream.families[0].revoked == (len(names) == 3)
    assert cli(daemon, "get", "demo").returncode == 0


def test_what_others_are_minted_from_stays(start_daemon: DaemonFactory) -> None:
    """The error says what to remove first."""
    inner = '[credentials.inner]\nprovider = "local"\n'
    outer = '[credentials.outer]\nprovider = "static"\nsecret = { credential = "inner" }\n'
    daemon = start_daemon(inner + outer)
    done = cli(daemon, "remove", "inner", "--yes")

    assert done.returncode == 64
    assert done.stderr == (
        'credward: "inner" is needed by outer: remove that first, with credward remove outer\n'
    )
    assert cli(daemon, "get", "inner").returncode == 0
