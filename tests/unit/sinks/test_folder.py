"""Where a sink may write, and that its file is always whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from credward.errors import BrokerError
from credward.sinks.folder import opened_folder
from credward.sinks.ours import NotOursError, not_ours
from fakes.crashing import failing_at, killed_at

OTHER_USER = 12_345
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "place"
    path.mkdir(mode=0o700)
    return path


def write(place: Path, content: bytes = b"new", mode: int = 0o600, name: str = "file") -> None:
    with opened_folder(place) as folder:
        folder.edit(name, lambda _: content, mode)


def remove(place: Path) -> None:
    with opened_folder(place) as folder:
        folder.edit("file", lambda _: None, 0o600)


def refusal(place: Path) -> str:
    with pytest.raises(BrokerError) as caught:
        write(place)
    return caught.value.message


def test_a_file_is_replaced_with_its_mode_whatever_the_umask(place: Path) -> None:
    before = os.umask(0o077)
    try:
        write(place, b"one", 0o640)
        write(place, b"two", 0o640)
    finally:
        os.umask(before)

    assert (place / "file").read_bytes() == b"two"
    assert (place / "file").stat().st_mode & 0o7777 == 0o640
    assert [each.name for each in place.iterdir()] == ["file"]


def test_s9_killed_at_any_step_there_is_the_old_file_or_the_new_one(place: Path) -> None:
    """S9: and what is left over goes with the next rewrite or the removal."""
    write(place, b"old")
    step = 0
    while killed_at(step, lambda: write(place, b"new")):
        assert (place / "file").read_bytes() in {b"old", b"new"}
        assert {each.name for each in place.iterdir()} <= {"file", ".file.credward"}
        (place / "file").write_bytes(b"old")
        step += 1

    assert step > 5
    assert (place / "file").read_bytes() == b"new"
    (place / ".file.credward").write_bytes(b"left")
    remove(place)
    assert list(place.iterdir()) == []
    remove(place)


def test_s9_a_disk_that_fails_at_any_step_leaves_the_old_file_whole(place: Path) -> None:
    write(place, b"old")
    step, reached = 0, True
    while reached:

        def action() -> None:
            try:
                write(place, b"new")
            except OSError:
                return

        reached = failing_at(step, action)
        assert (place / "file").read_bytes() in {b"old", b"new"}
        step += 1

    assert step > 5


def test_a_folder_that_others_can_write_to_is_refused(place: Path) -> None:
    place.chmod(0o770)

    assert refusal(place) == f'"{place}" can be written to by others: run chmod go-w {place}'
    place.chmod(0o1777)
    assert "use a folder of your own in it" in refusal(place)


def test_so_is_one_on_the_way_but_not_one_like_tmp(place: Path) -> None:
    inner = place / "inner"
    inner.mkdir(mode=0o700)
    place.chmod(0o777)
    assert f"run chmod go-w {place}" in refusal(inner)
    place.chmod(0o1777)
    write(inner)
    assert (inner / "file").exists()


@as_root
def test_a_folder_or_a_file_of_somebody_else_is_refused(place: Path) -> None:
    inner = place / "inner"
    inner.mkdir(mode=0o700)
    os.chown(inner, OTHER_USER, -1)
    assert f"belongs to uid {OTHER_USER}" in refusal(inner)
    write(place)
    os.chown(place / "file", OTHER_USER, -1)
    assert f"belongs to uid {OTHER_USER}: move it away" in refusal(place)


def test_a_missing_folder_is_named(place: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write(place / "a" / "b")
    assert caught.value.filename == str(place / "a")


def test_s2_a_link_in_place_of_the_file_is_refused(place: Path) -> None:
    """S2: also one that leads nowhere, and what is not a file at all."""
    (place / "file").symlink_to(place / "elsewhere")
    assert "is a symbolic link" in refusal(place)
    assert not (place / "elsewhere").exists()
    (place / "file").unlink()
    (place / "file").mkdir()
    assert "is not a regular file" in refusal(place)
    os.mkfifo(place / "pipe")
    with pytest.raises(BrokerError, match="is not a regular file"):
        write(place, name="pipe")


def test_s2_a_link_on_the_way_is_followed_if_we_made_it_where_nobody_else_could(
    place: Path,
) -> None:
    real = place / "real"
    real.mkdir(mode=0o700)
    (place / "absolute").symlink_to(real)
    (place / "relative").symlink_to("./absolute")
    write(place / "relative")
    assert (real / "file").read_bytes() == b"new"
    (place / "around").symlink_to("around")
    with pytest.raises(OSError, match="symbolic links"):
        write(place / "around")


@as_root
def test_s2_a_link_of_somebody_else_is_not_followed(place: Path) -> None:
    """S2: nor any in a folder such as /tmp, whoever it belongs to."""
    real = place / "real"
    real.mkdir(mode=0o700)
    (place / "link").symlink_to(real)
    os.chown(place / "link", OTHER_USER, -1, follow_symlinks=False)
    assert "is not a folder" in refusal(place / "link")
    os.chown(place / "link", 0, -1, follow_symlinks=False)
    place.chmod(0o1777)
    assert "is not a folder" in refusal(place / "link")
    assert list(real.iterdir()) == []


def test_what_is_read_is_a_file_too(place: Path) -> None:
    with opened_folder(place) as folder:
        assert folder.read("file") is None
        write(place, b"x")
        assert folder.read("file") == b"x"
        (place / "link").symlink_to("file")
        with pytest.raises(NotOursError, match="is a symbolic link"):
            folder.read("link")
        (place / "long").write_bytes(bytes(1024 * 1024 + 1))
        with pytest.raises(NotOursError, match="is too long: move it away"):
            folder.read("long")


def test_what_a_change_refuses_or_returns_stays_as_it_is(place: Path) -> None:
    """But what a kill left of the new file goes."""
    file, left = place / "file", place / ".file.credward"
    file.write_bytes(b"mine")
    before = file.stat()
    left.write_bytes(b"half")

    def refuse(content: bytes | None) -> bytes:
        assert content == b"mine"
        raise not_ours("it", "move it away")

    with opened_folder(place) as folder:
        with pytest.raises(NotOursError, match="by somebody else"):
            folder.edit("file", refuse, 0o640)
        assert not left.exists()
        folder.edit("file", lambda content: content, 0o640)
    assert file.read_bytes() == b"mine"
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_another_program_writes_meanwhile_is_not_lost(place: Path) -> None:
    """Even while the new file is made: all begins anew, and ends if that never ends."""
    seen: list[bytes | None] = []

    def interrupted(times: int) -> None:
        def change(content: bytes | None) -> bytes:
            seen.append(content)
            if len(seen) <= times:
                (place / "file").write_bytes(b"%d" % len(seen))
            return (content or b"") + b" and ours"

        with opened_folder(place) as folder:
            folder.edit("file", change, 0o600)

    interrupted(2)
    assert seen == [None, b"1", b"2"]
    assert (place / "file").read_bytes() == b"2 and ours"
    seen.clear()
    with pytest.raises(OSError, match="busy"):
        interrupted(1000)
    assert (place / "file").read_bytes() == b"%d" % len(seen)
    assert [each.name for each in place.iterdir()] == ["file"]
