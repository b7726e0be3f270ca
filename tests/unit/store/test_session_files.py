"""What is on disk of sessions: read back, and removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward.errors import BrokerError, Kind
from credward.store.door_secrets import load_or_make_secret
from credward.store.session_files import EndpointRecord, SessionFiles, SessionRecord

WORDS = b'{"id":"%s","uid":1,"pid":1,"start_time":1,"boot_id":"","endpoints":[%s]}'
ID, OTHER = "0123456789abcdef", "fedcba9876543210"


def record(name: str = ID) -> SessionRecord:
    return SessionRecord(
        id=name,
        uid=1000,
        pid=7,
        start_time=42,
        boot_id="boot",
        endpoints=(EndpointRecord(door="gce", credential="given", port=4711),),
    )


@pytest.fixture
def files(tmp_path: Path) -> SessionFiles:
    return SessionFiles(tmp_path / "sessions")


def test_a_record_comes_back(files: SessionFiles, tmp_path: Path) -> None:
    """Only we can read it, or its secrets."""
    files.keep(record())
    load_or_make_secret(files.token_file(ID, 0))

    assert files.load() == [record()]
    for path in (tmp_path / "sessions").iterdir():
        assert path.stat().st_mode & 0o077 == 0
    assert (tmp_path / "sessions").stat().st_mode & 0o077 == 0


def test_before_the_first_there_is_nothing(files: SessionFiles) -> None:
    """Not even the folder."""
    assert files.load() == []
    files.sweep(())
    files.remove(ID)


def test_all_of_one_is_removed_and_nothing_of_others(files: SessionFiles, tmp_path: Path) -> None:
    """Its record, and the secrets of its endpoints."""
    for each in (ID, OTHER):
        files.keep(record(each))
        load_or_make_secret(files.token_file(each, 0))
        load_or_make_secret(files.token_file(each, 1))
    files.remove(ID)
    left = {path.name for path in (tmp_path / "sessions").iterdir()}

    assert left == {f"{OTHER}.json", f"{OTHER}-0.token", f"{OTHER}-1.token"}
    files.sweep({ID})
    assert list((tmp_path / "sessions").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (ID, b"{"),
        (ID, b"[]"),
        (OTHER, WORDS % (ID.encode(), b"")),
        ("x", WORDS % (b"../../x", b"")),
        (ID, WORDS % (ID.encode(), b'{"door":"gce","credential":"a","port":70000}')),
    ],
)
def test_what_is_no_record_is_none(
    files: SessionFiles, tmp_path: Path, name: str, content: bytes
) -> None:
    """Whoever wrote it: its name would be part of paths."""
    (tmp_path / "sessions").mkdir(mode=0o700)
    path = tmp_path / "sessions" / f"{name}.json"
    path.write_bytes(content)
    path.chmod(0o600)

    assert files.load() == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """With what to do."""
    (tmp_path / "sessions").write_text("")
    with pytest.raises(BrokerError, match="make room") as caught:
        SessionFiles(tmp_path / "sessions").keep(record())

    assert caught.value.kind is Kind.FIX_CONFIGURATION
