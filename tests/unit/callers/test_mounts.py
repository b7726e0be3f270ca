"""Which mounts are ours, and what lies on them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from credward.callers import mounts
from credward.callers.mounts import MountTable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# Prints what is known before a mount, of a file on it, and of that file when the mount is gone.
CHANGES = """
import ctypes, os, sys
from credward.callers.mounts import MountTable
libc = ctypes.CDLL(None, use_errno=True)
point = sys.argv[1].encode()
table = MountTable()
before = table.path_of(os.open(point, os.O_PATH))
assert libc.mount(b"none", point, b"tmpfs", 0, None) == 0, ctypes.get_errno()
file = os.open(point + b"/program", os.O_CREAT | os.O_RDWR)
seen = [before, table.path_of(file), table.path_of(os.open(point, os.O_PATH))]
libc.umount2(point, 2)
print(*[repr(each) for each in (*seen, table.path_of(file))], sep=";", end="")
"""


def test_s4_a_file_of_ours_has_its_path(tmp_path: Path) -> None:
    """However it was opened, until it is deleted; nothing is known when the table is closed."""
    table = MountTable()
    program = tmp_path / "program"
    program.touch()
    opened = os.open(program, os.O_PATH)
    moved = program.rename(tmp_path / "moved")
    assert table.path_of(opened) == str(moved)
    moved.unlink()

    assert table.path_of(opened) is None
    os.close(opened)
    assert table.path_of(opened) is None
    with Path(__file__).open() as file:
        assert table.path_of(file.fileno()) == str(Path(__file__).resolve())
        table.close()
        assert table.path_of(file.fileno()) is None


def test_s4_what_lies_on_no_mount_of_ours_has_no_path() -> None:
    """A pipe, a file in memory, the kernel's own."""
    table = MountTable()
    ends = os.pipe()
    opened = [*ends, os.memfd_create("program"), os.pidfd_open(os.getpid())]

    assert [table.path_of(each) for each in opened] == [None] * 4
    for each in opened:
        os.close(each)
    table.close()


def test_s4_a_path_that_is_not_below_its_mount_proves_nothing(tmp_path: Path) -> None:
    """A file that was moved out of a bind mount reads as a path from the root of its file system."""
    table = MountTable()
    with Path(__file__).open() as file:
        assert table.path_of(file.fileno())
        (mount,) = [
            int(line.split()[1])
            for line in Path(f"/proc/self/fdinfo/{file.fileno()}").read_text().splitlines()
            if line.startswith("mnt_id:")
        ]
        table._points[mount] = "/mnt"
        outside = table.path_of(file.fileno())
        table._points[mount] = str(Path(__file__).resolve().parent)[:-1]
        beside = table.path_of(file.fileno())
        table._points[mount] = str(Path(__file__).resolve())
        itself = table.path_of(file.fileno())
    table.close()

    assert (outside, beside) == (None, None)
    assert itself == str(Path(__file__).resolve())


def test_points_are_read_as_they_are_written(tmp_path: Path) -> None:
    """With octal escapes, by the id in the first field."""
    source = tmp_path / "mountinfo"
    source.write_text(
        "31 25 0:27 / /mnt/a\\040b\rc rw - fuse x\r\x0b\x0c\u2028y rw\n25 1 8:1 / / rw - ext4 /dev/y rw\n",
        newline="",
    )
    with source.open("rb") as file:
        assert MountTable._read(file.fileno()) == {31: "/mnt/a b\rc", 25: "/"}


def test_s4_what_cannot_be_read_proves_nothing_until_it_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was mounted before may be gone: no path stands on it, and the next look reads again."""
    table = MountTable()
    read = MountTable._read

    def broken(_: int) -> dict[int, str]:
        raise ValueError("no number")

    with Path(__file__).open() as file:
        monkeypatch.setattr(MountTable, "_read", staticmethod(broken))
        table._read_again()
        assert table.path_of(file.fileno()) is None
        monkeypatch.setattr(MountTable, "_read", staticmethod(read))
        assert table.path_of(file.fileno()) == str(Path(__file__).resolve())
    table.close()


def test_a_change_of_the_mounts_is_noticed(tmp_path: Path) -> None:
    """What is mounted later counts, what is gone does not."""
    point = tmp_path / "a b"
    point.mkdir()
    inside = ["unshare", "-Urm", sys.executable, "-c", CHANGES, str(point)]
    if subprocess.run([*inside[:2], "true"], capture_output=True).returncode != 0:
        pytest.skip("user namespaces are not permitted here (unshare -Urm)")
    done = subprocess.run(
        inside,
        env={"PYTHONPATH": str(Path(mounts.__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )

    expected = [str(point), f"{point}/program", str(point), None]
    assert done.stdout == ";".join(map(repr, expected)), done.stderr
