"""What Linux says of a process."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from credward.callers import linux
from credward.callers.caller import Executable
from credward.callers.mounts import MountTable
from fakes.fuse_server import SilentFileSystem, cannot_mount
from waiting import PATIENCE, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_credentials_and_handle_are_those_of_the_connector() -> None:
    """A socket pair of our own: us."""
    left, right = socket.socketpair()
    with left, right:
        assert linux.peer_credentials(left) == (os.getpid(), os.geteuid(), os.getegid())
        handle = linux.peer_handle(left)
    if handle is None:
        pytest.skip("SO_PEERPIDFD needs Linux 6.5")
    assert not linux.is_dead(handle)
    os.close(handle)


def test_a_dead_process_is_seen_by_its_handle() -> None:
    """Readable means over, also as a zombie."""
    child = subprocess.Popen(["true"])
    handle = os.pidfd_open(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert linux.is_dead(handle)
    child.wait()
    assert linux.is_dead(handle)
    assert linux.read_stat(child.pid) is None
    os.close(handle)


def test_the_working_folder_of_a_process(tmp_path: Path) -> None:
    """As the kernel names it; one that was removed is none, and of nobody there is none."""
    folder = tmp_path / "ü src"
    folder.mkdir()
    with subprocess.Popen(["cat"], cwd=folder, stdin=subprocess.PIPE) as child:
        assert linux.working_folder(child.pid) == str(folder)
        folder.rmdir()
        assert linux.working_folder(child.pid) is None
        child.communicate()
    assert linux.working_folder(child.pid) is None


def test_a_working_folder_that_is_not_utf_8_can_be_shown_to_everybody(tmp_path: Path) -> None:
    """It is sent as JSON: half a character would make every list of credentials fail."""
    folder = os.fsencode(tmp_path) + b"/\xff\xfe"
    Path(os.fsdecode(folder)).mkdir()
    with subprocess.Popen(["cat"], cwd=folder, stdin=subprocess.PIPE) as child:
        assert linux.working_folder(child.pid) == f"{tmp_path}/\ufffd\ufffd"
        child.communicate()


def test_a_name_may_hold_anything(tmp_path: Path) -> None:
    """Parentheses and line breaks in the name do not shift the fields."""
    odd = tmp_path / "a) 1 (\nb"
    shutil.copy("/bin/sleep", odd)
    ours = linux.read_stat(os.getpid())
    assert ours is not None
    child = subprocess.Popen([odd, "300"])
    try:
        until(lambda: (seen := linux.read_stat(child.pid)) and seen.name != ours.name)
        stat = linux.read_stat(child.pid)

        assert stat is not None
        assert (stat.name, stat.parent) == ("a) 1 (\nb", os.getpid())
    finally:
        child.kill()
        child.wait()


@pytest.fixture
def mounts() -> Iterator[MountTable]:
    table = MountTable()
    yield table
    table.close()


@contextlib.contextmanager
def running(*command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def test_p5_a_deleted_program_has_no_name(tmp_path: Path, mounts: MountTable) -> None:
    """P5: its path may be somebody else's by now."""
    program = tmp_path / "sleep"
    shutil.copy("/bin/sleep", program)
    with running(program, "300") as child:
        until(lambda: linux.executable(child.pid, mounts) == Executable(path=str(program)))
        program.unlink()

        assert linux.executable(child.pid, mounts) is None


def test_p5_a_program_in_memory_has_no_name(mounts: MountTable) -> None:
    """P5: a memfd never had one."""
    program = (
        "import os,sys; fd=os.memfd_create('x'); os.write(fd, open('/bin/sleep','rb').read());"
        "os.execve(fd, ['sleep','300'], {})"
    )
    with running(sys.executable, "-c", program) as child:
        until(lambda: os.readlink(f"/proc/{child.pid}/exe").startswith("/memfd:"))

        assert linux.executable(child.pid, mounts) is None


def test_a_path_that_is_no_text_is_no_fact(tmp_path: Path, mounts: MountTable) -> None:
    """Neither policies nor the audit log could hold it."""
    program = os.fsencode(tmp_path) + b"/sl\xffeep"
    shutil.copy(b"/bin/sleep", program)
    with running(os.fsdecode(program), "300") as child:
        until(lambda: (linux.program_path(child.pid) or "").endswith("eep"))

        assert linux.executable(child.pid, mounts) is None


@contextlib.contextmanager
def another_namespace(covered: Path, cover: Path) -> Iterator[int]:
    """Give the pid of a process in whose mount namespace *cover* lies at the path *covered*."""
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode != 0:
        pytest.skip("user namespaces are not permitted here (unshare -Urm)")
    script = 'mount --bind "$2" "$1" && echo covered && exec sleep 300'
    command = ("unshare", "-Urm", "sh", "-c", script, "-", covered, cover)
    with running(*command) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"covered\n"
        yield holder.pid


@pytest.fixture
def programs(tmp_path: Path) -> tuple[Path, Path]:
    """Return a program that somebody trusts, and another one."""
    trusted, other = tmp_path / "trusted", tmp_path / "other"
    shutil.copy("/bin/cat", trusted)
    shutil.copy("/bin/sleep", other)
    return trusted, other


def test_s4_a_program_of_another_namespace_is_not_taken_for_the_one_at_its_path(
    programs: tuple[Path, Path], mounts: MountTable
) -> None:
    """S-4: bind-mounted over a trusted one and started from here, it reads as that one."""
    trusted, other = programs
    with (
        another_namespace(trusted, other) as holder,
        running(f"/proc/{holder}/root{trusted}", "300") as child,
    ):
        until(lambda: linux.program_path(child.pid) == str(trusted))

        assert linux.executable(child.pid, mounts) is None


def test_s4_a_program_in_a_container_is_not_taken_for_the_one_at_its_path(
    programs: tuple[Path, Path], mounts: MountTable
) -> None:
    """S-4: also where it is the same file, for its path is one of another root."""
    trusted, other = programs
    with another_namespace(other, trusted) as holder:
        until(lambda: (linux.program_path(holder) or "").endswith("sleep"))

        assert linux.executable(holder, mounts) is None


def test_s4_a_program_of_ours_is_known_whoever_runs_it(
    programs: tuple[Path, Path], mounts: MountTable
) -> None:
    """A process with mounts of its own that was handed our file runs the file at that path."""
    trusted, _ = programs
    inside = (
        "import ctypes, os, sys; file = os.open(sys.argv[1], os.O_RDONLY)\n"
        # CLONE_NEWUSER and CLONE_NEWNS
        "sys.exit(5) if ctypes.CDLL(None).unshare(0x10000000 | 0x20000) else None\n"
        "os.execve(file, ['trusted'], {})"
    )
    with running(sys.executable, "-c", inside, trusted) as child:
        if until(lambda: child.poll() or linux.program_path(child.pid) == str(trusted)) == 5:
            pytest.skip("user namespaces are not permitted here (unshare)")

        assert os.readlink(f"/proc/{child.pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
        assert linux.executable(child.pid, mounts) == Executable(path=str(trusted))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to change the root directory")
def test_s4_a_program_below_another_root_has_the_path_that_leads_to_it_from_here(
    tmp_path: Path, mounts: MountTable
) -> None:
    """S-4: `/bin/sleep` of a chroot is not `/bin/sleep`."""
    jail = tmp_path / "jail"
    libraries = subprocess.run(["ldd", "/bin/sleep"], capture_output=True, text=True).stdout.split()
    for file in ["/bin/sleep", *(word for word in libraries if word.startswith("/"))]:
        place = jail / file.removeprefix("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    with running("chroot", jail, "/bin/sleep", "300") as child:
        until(lambda: (linux.program_path(child.pid) or "").endswith("/bin/sleep"))

        assert linux.executable(child.pid, mounts) == Executable(path=f"{jail}/bin/sleep")


@pytest.mark.skipif(cannot_mount() is not None, reason=str(cannot_mount()))
def test_s16_a_program_on_a_dead_file_system_is_looked_at_without_asking_it(
    tmp_path: Path,
) -> None:
    """S-16: by a process of its own, which would hang instead of these tests."""
    look = (
        "import sys; from credward.callers import linux; from credward.callers.mounts import MountTable\n"
        "print(linux.executable(int(sys.argv[1]), MountTable()), linux.program_path(int(sys.argv[1])))"
    )
    with (
        SilentFileSystem(tmp_path / "mount", Path("/bin/cat")) as files,
        running(files.program) as child,
    ):
        until(lambda: linux.program_path(child.pid) == str(files.program))
        files.be_silent()
        with subprocess.Popen(
            [sys.executable, "-c", look, str(child.pid)],
            env={"PYTHONPATH": str(Path(linux.__file__).parents[2])},
            stdout=subprocess.PIPE,
            text=True,
        ) as looker:
            try:
                seen, _ = looker.communicate(timeout=PATIENCE)
            finally:
                # What hangs ends with the server.
                asked = files.end()

    assert asked == []
    assert seen.split() == [f"Executable(path={str(files.program)!r})", str(files.program)]
