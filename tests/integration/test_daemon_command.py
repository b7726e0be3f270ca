"""`credward daemon`: the daemon is started, stopped, restarted and read by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from integration.accounts import Account, clean_account

CONFIG = """
[credentials.gateway]
provider = "command"
command = ["/bin/echo", "the-owners-token"]
lifetime = 600
"""


@pytest.fixture
def account() -> Iterator[Account]:
    """An account with one credential, and no daemon."""
    with clean_account(CONFIG) as made:
        yield made


def test_started_stopped_and_started_again(account: Account) -> None:
    """Each says what it did, and twice is no mistake; the store is free at once."""
    started, again = account.cli("daemon", "start"), account.cli("daemon", "start")
    (first,) = account.daemons()
    assert (started.returncode, again.returncode) == (0, 0), started.stderr + again.stderr
    assert started.stdout.startswith("started: pid ")
    assert again.stdout == started.stdout.replace("started", "already running")

    restarted = account.cli("daemon", "restart")
    (second,) = account.daemons()
    assert restarted.stdout.startswith("started: pid "), restarted.stderr
    assert first != second
    assert account.cli("get", "gateway").stdout == "the-owners-token\n"

    stopped, twice = account.cli("daemon", "stop"), account.cli("daemon", "stop")
    assert stopped.stdout.startswith("stopped: pid "), stopped.stderr
    assert (twice.returncode, twice.stdout) == (0, "it was not running\n")
    assert account.daemons() == []


def test_a_stray_directory_ends_no_daemon(account: Account) -> None:
    """XDG_CONFIG_HOME without a configuration: nothing is recorded, and what runs goes on."""
    stray = {"XDG_CONFIG_HOME": str(account.folder / "stray")}
    refused = account.cli("daemon", "start", **stray)
    assert (refused.returncode, account.daemons()) == (69, [])
    account.cli("daemon", "start")
    (pid,) = account.daemons()
    again = account.cli("daemon", "start", **stray)
    restarted = account.cli("daemon", "restart", **stray)
    told = account.cli("doctor", **stray).stdout

    why = f'nothing is configured in "{account.folder}/stray/credward": unset XDG_CONFIG_HOME\n'
    assert refused.stderr == f"credward: {why}"
    assert again.stdout.startswith("already running: pid "), again.stderr
    assert (restarted.returncode, restarted.stderr) == (69, f"credward: {why}")
    assert account.daemons() == [pid]
    assert not account.record.exists()
    assert (
        "warn automatic start: does not use XDG_CONFIG_HOME of this shell, where nothing is "
        "configured: unset XDG_CONFIG_HOME\n"
    ) in told
    assert "and nothing is configured in this shell: unset XDG_CONFIG_HOME\n" in told
    assert "daemon start" not in told
    assert "daemon restart" not in told


@pytest.mark.parametrize("variable", ["CREDWARD_NO_START", "CREDWARD_URL"])
def test_what_forbids_a_start_is_named_and_ends_no_daemon(account: Account, variable: str) -> None:
    """`daemon start` cannot be the remedy: it obeys the variable itself."""
    token = account.folder / "token"
    token.write_text(f"credward_{'x' * 43}")
    forbid = {variable: "http://127.0.0.1:1", "CREDWARD_TOKEN_FILE": str(token)}
    why = f"the daemon is not running, and {variable} forbids to start it: unset {variable}\n"
    if variable == "CREDWARD_URL":
        why = (
            "no daemon answers at 127.0.0.1:1, which CREDWARD_URL names: "
            "start that one, or unset CREDWARD_URL\n"
        )
    started = account.cli("daemon", "start", **forbid)
    told = account.cli("doctor", **forbid)
    account.cli("daemon", "start")
    (pid,) = account.daemons()
    restarted = account.cli("daemon", "restart", **forbid)

    assert (started.returncode, started.stderr) == (69, f"credward: {why}")
    assert f"fail daemon: {why}" in told.stdout
    assert f"unset {variable}" in restarted.stderr
    assert restarted.returncode != 0
    assert account.daemons() == [pid]


def test_a_start_by_hand_takes_the_directories_of_this_shell(account: Account) -> None:
    """Also with another HOME, which no automatic start uses."""
    elsewhere = account.folder / "elsewhere"
    config = elsewhere / ".config/credward/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(CONFIG.replace("gateway", "other"))
    here = {"HOME": str(elsewhere), "XDG_RUNTIME_DIR": str(account.folder / "run")}
    (account.folder / "run").mkdir(mode=0o700)
    started = account.cli("daemon", "start", **here)

    assert started.returncode == 0, started.stderr
    assert account.cli("get", "other", **here).stdout == "the-owners-token\n"
    assert account.cli("daemon", "stop", **here).returncode == 0


def test_its_log_is_read(account: Account) -> None:
    """For people and for programs; without one, the command that makes one."""
    none = account.cli("daemon", "logs")
    account.cli("daemon", "start")
    shown = account.cli("daemon", "logs", "--lines", "1")
    lines = account.cli("daemon", "logs", "--json").stdout.splitlines()

    assert none.returncode == 69
    assert "run credward daemon restart" in none.stderr
    assert "  info     ready at " in shown.stdout
    assert shown.stdout.count("\n") == 1
    assert {json.loads(each)["level"] for each in lines} <= {"info", "warning"}
