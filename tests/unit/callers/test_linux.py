"""What Linux says of a process."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from credward.callers import linux
from waiting import until

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


def test_p5_a_deleted_program_has_no_name(tmp_path: Path) -> None:
    """P5: its path may be somebody else's by now."""
    program = tmp_path / "sleep"
    shutil.copy("/bin/sleep", program)
    child = subprocess.Popen([program, "300"])
    try:
        until(lambda: (found := linux.executable(child.pid)) and found.path == str(program))
        program.unlink()

        assert linux.executable(child.pid) is None
    finally:
        child.kill()
        child.wait()


def test_p5_a_program_in_memory_has_no_name() -> None:
    """P5: a memfd never had one."""
    program = (
        "import os,sys; fd=os.memfd_create('x'); os.write(fd, open('/bin/sleep','rb').read());"
        "os.execve(fd, ['sleep','300'], {})"
    )
    child = subprocess.Popen([sys.executable, "-c", program])
    try:
        until(lambda: os.readlink(f"/proc/{child.pid}/exe").startswith("/memfd:"))

        assert linux.executable(child.pid) is None
    finally:
        child.kill()
        child.wait()


def test_mount_namespaces_are_told_apart() -> None:
    """Ours is ours; a hidden one is None."""
    assert linux.mount_namespace("self") == linux.mount_namespace(os.getpid())
    assert linux.mount_namespace(2**22 + 5) is None


def test_open_stat_files_never_speak_of_a_dead_process() -> None:
    """What is kept is a descriptor, not an answer: a dead process reads as gone, at once."""
    files = linux.StatFiles(most=2)
    child = subprocess.Popen(["sleep", "300"])
    first = files.read(child.pid)
    child.kill()
    child.wait()

    assert first is not None
    assert files.read(child.pid) is None
    assert files.read(os.getpid()) == linux.read_stat(os.getpid())
    assert files.read(os.getppid()) is not None
    assert files.read(1) is not None
    assert len(files._files) == 2
    files.close()
    assert not files._files


def test_variables_are_those_that_a_process_began_with() -> None:
    """By their whole names; a value is never returned, what is hidden is absent."""
    with subprocess.Popen(
        [sys.executable, "-c", "print('begun', flush=True); input()"],
        env={"CLAUDECODE": "1", "CLAUDECODE_NOT": "1", "X": "GEMINI_CLI=1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        # Popen returns as soon as the kernel accepts the program, before it has its environment.
        assert child.stdout.readline() == b"begun\n"
        found = linux.variables(child.pid, {"CLAUDECODE", "GEMINI_CLI", "CLAUDECOD"})
        child.stdin.close()
    assert found == {"CLAUDECODE"}
    assert linux.variables(child.pid, {"CLAUDECODE"}) == frozenset()
