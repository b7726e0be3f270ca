"""Whose daemon is started: home by the passwd database, the rest by what was recorded or is usual."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

import pytest

from credward import account as module
from credward.account import Account, find_account, record_of, unusual_values
from credward.errors import BrokerError, Kind
from credward.recorded import BUS

UID = os.geteuid()


def account(home: Path, **recorded: str) -> Account:
    return Account(uid=UID, name="u", home=home, recorded=recorded)


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of /run/user, with nothing for this user yet."""
    folder = tmp_path / "run-user"
    folder.mkdir()
    monkeypatch.setattr(module, "_LOGIN", folder)
    return folder


def bus_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def test_s1_the_home_is_that_of_the_passwd_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HOME is a word of the caller's."""
    entry = pwd.struct_passwd(("u", "x", UID, 1, "", str(tmp_path), ""))
    monkeypatch.setattr("pwd.getpwuid", {UID: entry}.__getitem__)
    monkeypatch.setenv("HOME", "/repo")
    path = record_of(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text("XDG_CONFIG_HOME=/c\n")
    path.chmod(0o600)

    assert find_account() == account(tmp_path, XDG_CONFIG_HOME="/c")


@pytest.mark.parametrize("homes", [[], [""], ["home"]], ids=str)
def test_s1_a_user_without_a_home_gets_no_daemon(
    monkeypatch: pytest.MonkeyPatch, homes: list[str]
) -> None:
    """As the uid of a container; a relative one would be that of the current directory."""
    entries = [(UID, pwd.struct_passwd(("u", "x", UID, 1, "", home, ""))) for home in homes]
    monkeypatch.setattr("pwd.getpwuid", dict(entries).__getitem__)
    with pytest.raises(BrokerError, match=f"has no home for uid {UID}") as caught:
        find_account()

    assert caught.value.kind is Kind.NOT_RUNNING


def test_what_a_login_manager_made_is_used(tmp_path: Path, login: Path) -> None:
    """The runtime directory where it is ours alone, the bus where there is one."""
    plain = {"HOME": str(tmp_path), "USER": "u", "LOGNAME": "u"}
    plain["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    own = login / str(UID)
    none = account(tmp_path).environment()
    own.mkdir(mode=0o755)
    own.chmod(0o755)
    open_to_others = account(tmp_path).environment()
    own.chmod(0o700)
    without_bus = account(tmp_path).environment()
    bus_at(own / "bus")
    whole = account(tmp_path).environment()

    assert none == open_to_others == plain
    assert without_bus == {**plain, "XDG_RUNTIME_DIR": str(own)}
    assert whole == {**plain, "XDG_RUNTIME_DIR": str(own), BUS: f"unix:path={own}/bus"}


def test_s1_a_service_managers_session_is_its_own(tmp_path: Path) -> None:
    """Of what was recorded it is told what does not end with a session."""
    recorded = {"XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r", BUS: "unix:path=/b"}

    assert account(tmp_path, **recorded).lasting_places() == {"XDG_STATE_HOME": "/s"}
    assert account(tmp_path).lasting_places() == {}


def test_what_was_recorded_comes_before_what_is_usual(tmp_path: Path, login: Path) -> None:
    """But for a runtime directory or a bus that has ended."""
    own = login / str(UID)
    own.mkdir(mode=0o700)
    bus_at(own / "bus")
    elsewhere = tmp_path / "r"
    recorded = {
        "XDG_CONFIG_HOME": "/c",
        "XDG_STATE_HOME": "/s",
        "XDG_RUNTIME_DIR": str(elsewhere),
        BUS: f"unix:path={tmp_path}/bus,guid=1",
    }
    ended = account(tmp_path, **recorded).environment()
    elsewhere.mkdir(mode=0o700)
    bus_at(tmp_path / "bus")
    there = account(tmp_path, **recorded).environment()
    abstract = account(tmp_path, **{BUS: "unix:abstract=x"}).environment()

    assert {name: ended[name] for name in recorded} == {
        "XDG_CONFIG_HOME": "/c",
        "XDG_STATE_HOME": "/s",
        "XDG_RUNTIME_DIR": str(own),
        BUS: f"unix:path={own}/bus",
    }
    assert {name: there[name] for name in recorded} == recorded
    assert abstract[BUS] == "unix:abstract=x"


def test_only_what_is_unusual_is_worth_recording(tmp_path: Path, login: Path) -> None:
    """Defaults are known without it; what would be refused is not proposed."""
    mine = account(tmp_path)
    usual = {
        "XDG_CONFIG_HOME": f"{tmp_path}/.config/",
        "XDG_STATE_HOME": f"{tmp_path}/.local/state",
        "XDG_RUNTIME_DIR": f"{login}/{UID}",
        BUS: f"unix:path={login}/{UID}/bus",
    }

    assert unusual_values(mine, usual) == {}
    assert unusual_values(mine, {"XDG_CONFIG_HOME": "", "XDG_STATE_HOME": "relative"}) == {}
    assert unusual_values(mine, {BUS: "unixexec:path=/x", "HOME": "/repo"}) == {}
    assert unusual_values(mine, {**usual, "XDG_CONFIG_HOME": "/c", BUS: "unix:path=/b"}) == {
        "XDG_CONFIG_HOME": "/c",
        BUS: "unix:path=/b",
    }
