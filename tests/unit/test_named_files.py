"""Files opened by name: what is no regular file is refused at once, and said."""

from __future__ import annotations

import errno
import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from credward import named_files
from credward.named_files import check_file, open_file, opened, read_all, read_text, replace_file

# Whoever opened a pipe the plain way would wait here until then.
pytestmark = pytest.mark.timeout(60)

READS = os.O_RDONLY
APPENDS = os.O_WRONLY | os.O_APPEND | os.O_CREAT
LOCKS = os.O_RDWR | os.O_CREAT


@pytest.fixture
def short():
    """Return a folder whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="nf-", dir="/tmp") as name:
        yield Path(name)


@pytest.mark.parametrize("flags", [READS, APPENDS, LOCKS])
@pytest.mark.parametrize("kind", ["a named pipe", "a directory", "a socket", "a device"])
def test_s10_what_is_no_regular_file_is_refused_at_once(short, kind, flags):
    """S10: for reading, appending and locking alike; the error says what it is."""
    path = short / "x"
    match kind:
        case "a named pipe":
            os.mkfifo(path)
        case "a directory":
            path.mkdir()
        case "a socket":
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(str(path))
        case "a device":
            path = Path("/dev/full")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="not a regular file") as caught:
        open_file(path, flags)

    assert caught.value.strerror == f"it is {kind}, not a regular file"
    assert len(os.listdir("/proc/self/fd")) == before


def test_s10_a_pipe_that_takes_the_files_place_meanwhile_is_refused_too(short, monkeypatch):
    """S10: it is looked at again once it is open, and opening it waits for nobody."""
    path = short / "x"
    os.mkfifo(path)
    regular = os.stat(__file__)
    with monkeypatch.context() as patched:
        patched.setattr(named_files.os, "stat", lambda *_, **__: regular)
        with pytest.raises(OSError, match="a named pipe"):
            open_file(path)


def test_a_link_is_followed_where_that_is_wanted(short):
    """To a regular file; else it is the error of open(2)."""
    (short / "file").write_text("text")
    (short / "link").symlink_to(short / "file")
    (short / "pipe").symlink_to(short / "fifo")
    os.mkfifo(short / "fifo")
    assert read_text(short / "link") == "text"
    with pytest.raises(OSError, match="a symbolic link") as caught:
        open_file(short / "link", follow=False)
    assert caught.value.errno == errno.ELOOP
    with pytest.raises(OSError, match="a named pipe"):
        check_file(short / "pipe")


def test_what_is_missing_is_missing_or_made(short):
    """With the mode that is asked for, and not for children."""
    with pytest.raises(FileNotFoundError):
        read_text(short / "x")
    with opened(short / "x", APPENDS) as descriptor:
        assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o600
        assert not os.get_inheritable(descriptor)


def test_reading_is_bounded(short):
    """A file that is much too long is no reason to hold it in memory."""
    (short / "x").write_bytes(b"x" * 11)
    with opened(short / "x") as descriptor:
        assert read_all(descriptor, 11) == b"x" * 11
    with opened(short / "x") as descriptor, pytest.raises(OSError, match="longer than 10 bytes"):
        read_all(descriptor, 10)
    (short / "x").write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        read_text(short / "x")


def test_a_replacement_is_whole_or_not_there(short, monkeypatch):
    """Whatever lay in its place, a pipe too; a failure leaves nothing behind."""
    os.mkfifo(short / "x")
    replace_file(short / "x", b"new", mode=0o640)
    assert (short / "x").read_bytes() == b"new"
    assert stat.S_IMODE((short / "x").stat().st_mode) == 0o640

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(named_files.os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        replace_file(short / "x", b"newer")
    assert [each.name for each in short.iterdir()] == ["x"]
    assert (short / "x").read_bytes() == b"new"


def test_a_name_in_an_open_folder_is_opened_there(tmp_path):
    """Whatever is at its path by now; a link is refused as elsewhere."""
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "file").write_text("right")
    (inner / "link").symlink_to(inner / "file")
    folder = os.open(inner, os.O_RDONLY | os.O_DIRECTORY)
    inner.rename(tmp_path / "moved")
    inner.mkdir()
    (inner / "file").write_text("wrong")
    try:
        descriptor = open_file("file", follow=False, folder=folder)
        assert read_all(descriptor) == b"right"
        os.close(descriptor)
        with pytest.raises(OSError, match="symbolic link"):
            open_file("link", follow=False, folder=folder)
    finally:
        os.close(folder)
