"""Where a process works."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from credward.callers import folders
from credward.callers.caller import Ancestor
from credward.callers.folders import WorkingFolders
from credward.callers.linux import read_stat
from fakes.fuse_server import SilentFileSystem, cannot_mount
from waiting import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read on Linux only")


@contextmanager
def working_in(folder: Path) -> Iterator[Ancestor]:
    """Run a process there that waits."""
    child = subprocess.Popen(["cat"], cwd=folder, stdin=subprocess.PIPE)
    stat = read_stat(child.pid)
    assert stat is not None
    with child:
        yield Ancestor(child.pid, stat.start_time)


def test_the_folder_is_remembered_after_the_end(tmp_path: Path) -> None:
    """Agents end, and the owner looks later."""
    seen, others = WorkingFolders(), WorkingFolders()
    with working_in(tmp_path) as process:
        assert seen.of(process) == str(tmp_path)

    assert seen.of(process) == str(tmp_path)
    assert others.of(process) is None


def test_another_process_with_that_pid_is_not_meant(tmp_path: Path) -> None:
    """The start time tells them apart."""
    with working_in(tmp_path) as process:
        assert WorkingFolders().of(Ancestor(process.pid, process.start_time + 1)) is None


def test_few_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was looked at longest ago goes first."""
    monkeypatch.setattr(folders, "_MOST", 1)
    seen = WorkingFolders()
    with working_in(tmp_path) as first, working_in(tmp_path) as second:
        seen.of(first)
        seen.of(second)

    assert seen.of(first) is None
    assert seen.of(second) == str(tmp_path)


@pytest.mark.skipif(cannot_mount() is not None, reason=str(cannot_mount()))
def test_s16_a_folder_on_a_silent_file_system_holds_up_nobody(tmp_path: Path) -> None:
    """S-16: the name is the kernel's own; the server of the file system is asked nothing."""
    point = tmp_path / "mount"
    look = "import sys; from credward.callers import caller, folders; "
    look += "print(folders.WorkingFolders().of(caller.Ancestor(*map(int, sys.argv[1:]))))"
    with SilentFileSystem(point, Path("/bin/true")) as files, working_in(point) as process:
        files.be_silent()
        with subprocess.Popen(
            [sys.executable, "-c", look, *map(str, process)],
            env={"PYTHONPATH": str(Path(folders.__file__).parents[2])},
            stdout=subprocess.PIPE,
            text=True,
        ) as looker:
            try:
                seen, _ = looker.communicate(timeout=PATIENCE)
            finally:
                # What hangs ends with the server.
                asked = files.end()

    assert asked == []
    assert seen.strip() == str(point)
