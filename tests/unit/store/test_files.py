"""Files replaced whole or not at all, with the disk failing at each step."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from credward.errors import BrokerError, Kind
from credward.store.files import read_private, replace, set_aside

STEPS = ["open", "fchmod", "write", "fsync", "rename"]


@pytest.fixture
def path(tmp_path):
    """Return where a file of ours lies, with its first content."""
    path = tmp_path / "store.sealed"
    replace(path, b"old")
    return path


def test_replaces_with_mode_0600(path):
    """Whatever the umask or the mode before, and with nothing left beside it."""
    path.chmod(0o644)
    before = os.umask(0o277)
    try:
        replace(path, b"new" * 100_000)
    finally:
        os.umask(before)

    assert path.read_bytes() == b"new" * 100_000
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["store.sealed"]


@pytest.mark.parametrize("step", STEPS)
def test_s9_a_failure_at_any_step_leaves_the_old_file(path, monkeypatch, step):
    """And nothing beside it; the next attempt goes through."""

    def fail(*_arguments: object, **_named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, step, fail)
        with pytest.raises(OSError, match="No space left"):
            replace(path, b"new")

    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["store.sealed"]
    replace(path, b"new")
    assert path.read_bytes() == b"new"


def test_short_writes_are_gone_on_with(path, monkeypatch):
    """The kernel may take less than it is given."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:3])))

    replace(path, b"0123456789")

    assert path.read_bytes() == b"0123456789"


def test_what_appeared_meanwhile_is_not_replaced(path):
    """Where there was to be none: it is somebody else's, and nothing is left beside it."""
    with pytest.raises(FileExistsError):
        replace(path, b"new", absent=True)

    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["store.sealed"]
    path.unlink()
    replace(path, b"new", absent=True)
    assert path.read_bytes() == b"new"


def test_a_file_system_that_syncs_no_directories_is_lived_with(path, monkeypatch):
    """It says EINVAL to the directory, not to the file."""
    fsync = os.fsync

    def refusing(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refusing)

    replace(path, b"new")

    assert path.read_bytes() == b"new"


@pytest.mark.skipif(sys.platform != "linux", reason="names descriptors by /proc")
def test_the_directory_is_synced_after_the_rename(path, monkeypatch):
    """Else the name could be lost with the power."""
    calls = []
    fsync, rename = os.fsync, os.rename
    monkeypatch.setattr(
        os, "fsync", lambda fd: (calls.append(Path(f"/proc/self/fd/{fd}").resolve()), fsync(fd))
    )
    monkeypatch.setattr(os, "rename", lambda old, new: (calls.append("rename"), rename(old, new)))

    replace(path, b"new")

    assert calls == [path.with_name("store.sealed.new"), "rename", path.parent]


def test_what_a_kill_left_behind_is_overwritten(path):
    """One temporary name, so nothing piles up."""
    path.with_name("store.sealed.new").write_bytes(b"half")

    replace(path, b"new")

    assert sorted(os.listdir(path.parent)) == ["store.sealed"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_bad_file_is_set_aside_under_the_time(path, monkeypatch, links):
    """Two in one second have two names."""
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    first = set_aside(path, 1_800_000_000.7)
    replace(path, b"again")
    second = set_aside(path, 1_800_000_000.9)

    assert first.name == "store.sealed.corrupt-1800000000"
    assert second.name == "store.sealed.corrupt-1800000000-2"
    assert [first.read_bytes(), second.read_bytes()] == [b"old", b"again"]


def test_reads_what_is_ours_alone(path, tmp_path):
    """None where there is no file."""
    assert read_private(path, "store") == b"old"
    assert read_private(tmp_path / "none", "store") is None


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o602])
def test_a_file_open_to_others_is_refused(path, mode):
    """With the command that helps; it stays as it is."""
    path.chmod(mode)

    assert f"is open to others: run chmod 0600 {path}" in _refusal(path)
    assert path.stat().st_mode & 0o777 == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(path):
    """Who owns it could have written anything."""
    os.chown(path, 12345, -1)

    assert "belongs to uid 12345" in _refusal(path)


def test_links_pipes_and_directories_are_refused(path, tmp_path):
    """And none of them hangs."""
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "directory").mkdir()

    for name in ("link", "pipe", "directory"):
        assert str(tmp_path / name) in _refusal(tmp_path / name)


def _refusal(path: Path) -> str:
    with pytest.raises(BrokerError) as caught:
        read_private(path, "store")
    assert caught.value.kind is Kind.FIX_CONFIGURATION
    return caught.value.message


def _no_links(*_arguments: object, **_named: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")
