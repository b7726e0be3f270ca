"""What set-up recorded: read back, or refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from credward.errors import BrokerError, Kind
from credward.recorded import BUS, fault_of, read_record

UID = os.geteuid()


def record(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "start.env"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_values_are_read_back(tmp_path: Path) -> None:
    """Comments and empty lines are no values; a value may hold the sign of the line."""
    path = record(tmp_path, f"# places\n\nXDG_CONFIG_HOME=/c=d\n{BUS}=unix:path=/b,guid=1\n")

    assert read_record(path, UID) == {"XDG_CONFIG_HOME": "/c=d", BUS: "unix:path=/b,guid=1"}
    assert read_record(tmp_path / "none", UID) == {}
    assert read_record(path / "below a file", UID) == {}


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("XDG_STATE_HOME", "state", "is not an absolute path"),
        ("XDG_STATE_HOME", "/a\x1b[2J", "holds characters that cannot be printed"),
        ("HOME", "/repo", "is not one of"),
        (BUS, "unixexec:path=/repo/evil", "is not a unix: address"),
        (BUS, "unix:path=/b;unixexec:path=/repo/evil", "is not a unix: address"),
        (BUS, "tcp:host=localhost,port=1", "is not a unix: address"),
        (BUS, "autolaunch:", "is not a unix: address"),
        (BUS, "", "is not a unix: address"),
    ],
)
def test_s1_what_could_run_or_lead_astray_is_refused(
    tmp_path: Path, name: str, value: str, fault: str
) -> None:
    """The line is named; nothing of the file is used."""
    path = record(tmp_path, f"XDG_CONFIG_HOME=/c\n{name}={value}\n")
    with pytest.raises(BrokerError) as caught:
        read_record(path, UID)

    assert fault in (fault_of(name, value) or "")
    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert f'"{path}" is wrong in line 2, {name} {fault}' in caught.value.message


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    """As of a file that was written by hand."""
    with pytest.raises(BrokerError, match="wrong in line 1, there is no NAME=VALUE"):
        read_record(record(tmp_path, "export\n"), UID)


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_others_may_not_write_it(tmp_path: Path, mode: int) -> None:
    """Otherwise they could say where the configuration is."""
    with pytest.raises(BrokerError, match=r"can be written by others.*: run chmod 0600 on it"):
        read_record(record(tmp_path, "XDG_CONFIG_HOME=/c\n", mode), UID)


def test_another_users_file_is_refused(tmp_path: Path) -> None:
    """Only the owner and root speak for an account."""
    path = record(tmp_path, "XDG_CONFIG_HOME=/c\n")
    if UID == 0:
        os.chown(path, 12345, 12345)

    with pytest.raises(BrokerError, match="belongs to another user"):
        read_record(path, 4_000_000 if UID else 0)


def test_a_pipe_in_its_place_does_not_hang(tmp_path: Path) -> None:
    """Opening a FIFO for reading waits for a writer."""
    os.mkfifo(tmp_path / "start.env", 0o600)
    with pytest.raises(BrokerError, match="not a regular file"):
        read_record(tmp_path / "start.env", UID)


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Not to be known is not to be unset."""
    (tmp_path / "start.env").symlink_to("start.env")
    with pytest.raises(BrokerError, match=r"cannot be read \(Too many levels"):
        read_record(tmp_path / "start.env", UID)
