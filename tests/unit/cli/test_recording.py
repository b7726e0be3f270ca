"""Whose word is recorded, and what is said where nothing is. With a real daemon: tests/integration/test_start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from credward.account import find_account, record_of
from credward.callers.ancestry import ProcessTable
from credward.callers.macos import MacProcesses
from credward.callers.programs import MARKS
from credward.cli import recording
from credward.cli.recording import record_places, unrecorded_places
from fakes.darwin import MacKernel, MacProcess

PID = os.getpid()


def mac(*above: str) -> MacProcesses:
    """The process table of a Mac: ourselves, and those above from the nearest up to launchd."""
    names = ["credward", *above, "launchd"]
    pids = [PID, *range(100, 100 + len(above)), 1]
    parents = [*pids[1:], 0]
    return MacProcesses(
        MacKernel(
            {
                pid: MacProcess(name, parent, f"/bin/{name}", unique=pid, version=1)
                for pid, parent, name in zip(pids, parents, names, strict=True)
            }
        )
    )


def configure(config_home: Path) -> Path:
    """Make a configuration there."""
    config = config_home / "credward/config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.touch()
    return config_home


@pytest.fixture
def account(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of an account whose owner has a configuration elsewhere, and no daemon."""
    account = home / "account"
    account.mkdir()
    for name in (*MARKS, "CREDWARD_SESSION", "CREDWARD_NO_START", "CREDWARD_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(account))
    elsewhere = configure(home / "c")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(elsewhere))
    monkeypatch.setattr(recording, "is_restricted", lambda _environ: False)
    use(monkeypatch, mac("zsh", "login"))
    return account


def use(monkeypatch: pytest.MonkeyPatch, processes: ProcessTable) -> None:
    """Have these processes above us."""
    monkeypatch.setattr("credward.callers.identify.process_table", lambda: processes)


def test_s14_the_owner_of_a_mac_records(account: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal below launchd, as the process table of a Mac tells it."""
    assert unrecorded_places() == [
        "does not use XDG_CONFIG_HOME of this shell: run credward daemon start to record it"
    ]
    record_places()

    elsewhere = os.environ["XDG_CONFIG_HOME"]
    assert find_account().recorded == {"XDG_CONFIG_HOME": elsewhere}
    assert record_of(account).stat().st_mode & 0o777 == 0o600
    assert f"uses XDG_CONFIG_HOME={elsewhere}\n" in capsys.readouterr().err
    assert unrecorded_places() == []


def test_a_place_without_a_configuration_is_not_recorded(
    account: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that used it would have nothing; the owner's own stays in force."""
    record_places()
    recorded = find_account().recorded
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "stray"))
    record_places()

    assert find_account().recorded == recorded
    assert unrecorded_places() == [
        (
            "does not use XDG_CONFIG_HOME of this shell, where nothing is configured: "
            "unset XDG_CONFIG_HOME"
        )
    ]


def test_where_nothing_is_configured_at_all_the_first_command_is_add(
    account: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes the configuration there, and records where."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "new"))
    record_places()

    assert not record_of(account).exists()
    assert unrecorded_places() == [
        "does not use XDG_CONFIG_HOME of this shell: run credward add, which records it"
    ]


@pytest.mark.parametrize("configured", [True, False])
def test_a_variable_that_is_not_set_is_not_called_set(
    account: Path, monkeypatch: pytest.MonkeyPatch, configured: bool
) -> None:
    """The recorded directory is used, and this shell knows nothing of it."""
    record_places()
    elsewhere = os.environ["XDG_CONFIG_HOME"]
    monkeypatch.delenv("XDG_CONFIG_HOME")
    if configured:
        configure(account / ".config")
    (line,) = unrecorded_places()
    record_places()

    assert line == (
        f"uses XDG_CONFIG_HOME={elsewhere} as recorded, and this shell does not set it: "
        + (
            "run credward daemon start to record the usual directory"
            if configured
            else "set XDG_CONFIG_HOME to that here too"
        )
    )
    assert (unrecorded_places() == []) is configured


@pytest.mark.parametrize(
    ("processes", "whose"),
    [
        (mac("zsh", "claude", "login"), "claude"),
        # Hidden, as by another mount of /proc or by none: an agent above would be as well.
        (MacProcesses(MacKernel()), "an unknown program"),
        (MacProcesses(MacKernel({PID: MacProcess("x", 2, None, 3, 1)})), "an unknown program"),
    ],
    ids=["an agent", "no processes", "nobody above"],
)
def test_s1_who_cannot_be_known_is_not_the_owner(
    account: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    processes: MacProcesses,
    whose: str,
) -> None:
    """Without a mark in its environment, on any system."""
    use(monkeypatch, processes)
    record_places()

    assert not record_of(account).exists()
    assert capsys.readouterr().err == (
        f"warning: XDG_CONFIG_HOME not recorded from within {whose}, so a daemon that is started "
        "automatically uses other directories: run credward daemon start in your own terminal\n"
    )


def nobody(_uid: int) -> None:
    """Answer as a passwd database without this user does."""
    raise KeyError


@pytest.mark.parametrize("name", ["CREDWARD_SOCKET", "CREDWARD_URL", "CREDWARD_NO_START"])
def test_s1_where_nothing_would_be_started_nobody_asks_for_the_account(
    account: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A pod's uid has no home, and its daemon runs elsewhere."""
    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.setenv(name, "/run/credward.sock")
    record_places()

    assert unrecorded_places() == []
    assert capsys.readouterr().err == ""


def test_s1_an_account_without_a_home_is_a_warning(
    account: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether a daemon runs is not said: nobody has looked."""
    monkeypatch.setattr("pwd.getpwuid", nobody)
    record_places()
    why = f"the passwd database has no home for uid {os.geteuid()}, so no daemon is started"

    assert unrecorded_places() == [why]
    assert capsys.readouterr().err == f"warning: no directories recorded: {why}\n"


def test_s1_a_record_that_cannot_be_used_is_a_warning(account: Path) -> None:
    """It is an error once a daemon has to be started."""
    path = record_of(account)
    path.parent.mkdir(parents=True)
    path.write_text("HOME=/repo\n")
    path.chmod(0o600)

    (line,) = unrecorded_places()
    assert "is wrong in line 1" in line


def test_s1_a_home_that_takes_no_file_is_a_warning(
    account: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Read-only, or none at all: what was typed is carried out all the same."""
    account.rmdir()
    account.touch()
    record_places()

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'warning: "{record_of(account)}" cannot be written (Not a directory)')


@pytest.mark.parametrize("name", ["HOME", "CREDWARD_CONFIG"])
def test_s1_what_is_never_recorded_is_named(
    account: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """With the command that goes by it."""
    monkeypatch.setenv(name, "/elsewhere")
    record_places()

    assert not record_of(account).exists()
    assert capsys.readouterr().err == (
        f"warning: an automatic start does not use {name}: "
        "run credward daemon start in your own terminal\n"
    )
