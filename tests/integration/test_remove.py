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


@pytest.mark.parametrize("block", ["", KEYS], ids=["signed here", "with a secret"])
def test_what_cannot_be_done_is_refused_before_anything_is_changed(
    start_daemon: DaemonFactory, block: str
) -> None:
    """While the store is locked nothing goes; after the unlock all of it does, its key too."""
    daemon = start_daemon(block + LOCAL)
    name = "gateway" if block else "demo"
    for secret in ("gateway-key", "shared-key") if block else ():
        assert cli(daemon, "secret", "set", secret, given=canary(secret)).returncode == 0
    assert cli(daemon, "get", name).returncode == 0
    assert cli(daemon, "setup", "claude-code", name, "--yes").returncode in {0, 1, 77, 78}
    was = settings(daemon).read_text(), daemon.config_file.read_text()
    passphrase = "correct horse battery staple\n"
    assert cli(daemon, "lock", "--passphrase-stdin", given=passphrase).returncode == 0
    refused = cli(daemon, "remove", name, "--yes")
    now = settings(daemon).read_text(), daemon.config_file.read_text()
    assert cli(daemon, "unlock", "--passphrase-stdin", given=passphrase).returncode == 0
    settings(daemon).write_text(f"{was[0]},")
    unreadable = cli(daemon, "remove", name, "--yes")
    settings(daemon).write_text(was[0])
    works = cli(daemon, "get", name)
    done = cli(daemon, "remove", name, "--yes")

    assert refused.returncode == 75
    assert refused.stderr == "credward: the store is locked: run credward unlock\n"
    assert now == was
    assert unreadable.returncode == 78
    assert "is not valid JSON" in unreadable.stderr
    assert works.returncode == 0
    assert (done.returncode, done.stderr) == (0, "")
    assert not settings(daemon).exists()
    assert f"[credentials.{name}]" not in daemon.config_file.read_text()
    assert not (daemon.state_dir / f"signing_keys/{name}.pem").exists()


def test_a_signing_key_stays_as_long_as_another_credential_signs_with_it(
    start_daemon: DaemonFactory,
) -> None:
    """It is that of the grant, and goes with the last credential on it."""
    block = '[credentials.{}]\nprovider = "local"\ngrant = "key"\n'
    daemon = start_daemon(block.format("one") + block.format("two"))
    key = daemon.state_dir / "signing_keys/key.pem"
    assert cli(daemon, "get", "one").returncode == 0
    first = cli(daemon, "remove", "one", "--yes")
    stays = key.exists()
    last = cli(daemon, "remove", "two", "--yes")

    assert (first.returncode, last.returncode) == (0, 0)
    assert stays
    assert "signing key" not in first.stdout
    assert f"also removes its signing key: {key}" in last.stdout
    assert not key.exists()


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
