"""What a shell completes behind our commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from credward.cli.main import credward
from fakes.daemon import CannedDaemon, answer

CONFIGURATION = """
[grants.corp]
issuer = "https://login.example.com"
client_id = "c"
[credentials.gateway]
provider = "oauth"
grant = "corp"
[credentials.search]
provider = "oauth"
issuer = "https://login.example.com"
client_id = "d"
[credentials.static]
provider = "static"
secret = { env = "KEY" }
"""


def completed(*words: str) -> list[str]:
    """Return what is proposed for the last word."""
    *before, last = words
    shell = ShellComplete(credward, {}, "credward", "_CREDWARD_COMPLETE")
    return [each.value for each in shell.get_completions(before, last)]


@pytest.fixture
def configured(home: Path) -> Path:
    path = home / "config" / "credward" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(CONFIGURATION)
    path.chmod(0o600)
    return path


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    "words", [("get",), ("get", "--fresh"), ("doctor",), ("status",), ("setup", "claude-code")]
)
def test_names_of_credentials_are_completed(words: tuple[str, ...]) -> None:
    """Wherever a credential is asked for."""
    assert completed(*words, "") == ["gateway", "search", "static"]
    assert completed(*words, "s") == ["search", "static"]


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("command", ["login", "logout"])
def test_names_of_grants_are_completed(command: str) -> None:
    """Where a login is meant; not those that were derived, which nobody types."""
    assert completed(command, "") == ["corp", "gateway", "search", "static"]


@pytest.mark.usefixtures("configured")
def test_a_name_is_proposed_once() -> None:
    """`status` takes several."""
    assert completed("status", "gateway", "") == ["search", "static"]


@pytest.mark.usefixtures("home")
def test_providers_and_commands_are_completed() -> None:
    """Those that there are."""
    assert completed("add", "x", "--provider", "e") == ["entra"]
    assert completed("comp") == ["completion"]


def test_nothing_is_proposed_where_nothing_is_known(home: Path) -> None:
    """No configuration, a broken one, no daemon: Tab stays quiet."""
    assert completed("get", "") == []
    assert completed("secret", "rm", "") == []

    path = home / "config" / "credward" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("[[[")
    assert completed("get", "") == []


def test_names_of_secrets_come_from_the_daemon(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their names alone: it says no more."""
    socket = home / "s"
    monkeypatch.setenv("CREDWARD_SOCKET", str(socket))
    body = b'{"names": ["gateway-key", "other"]}'
    with CannedDaemon(socket, [answer(200, body, content_type="application/json")]) as daemon:
        assert completed("secret", "rm", "g") == ["gateway-key"]

    assert [head.split()[:2] for head in daemon.asked] == [["GET", "/v1/secrets"]]
