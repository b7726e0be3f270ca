"""One daemon per store: the lock, its record, and the hand-over."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from credward.errors import BrokerError, Kind
from credward.store.lock import Holder, StoreLock
from waiting import PATIENCE

HOLD = """
import sys, time, signal
from pathlib import Path
from credward.store.lock import StoreLock
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
lock = StoreLock.acquire(Path(sys.argv[1]), Path("/run/a.sock"))
print("held", flush=True)
time.sleep(600)
"""


def hold(state: Path, manner: str = "polite") -> subprocess.Popen[str]:
    source = Path(__file__).parents[3] / "broker"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state), manner],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(source), "PATH": "/usr/bin:/bin"},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate(timeout=PATIENCE)


def test_s3_second_daemon_is_told_where_the_first_one_is(tmp_path: Path) -> None:
    """S3: the loser exits with already-running and names the socket and pid of the winner."""
    child = hold(tmp_path / "state")
    try:
        with pytest.raises(BrokerError) as caught:
            StoreLock.acquire(tmp_path / "state", Path("/run/b.sock"))

        assert caught.value.kind is Kind.ALREADY_RUNNING
        assert f"already running at /run/a.sock (pid {child.pid})" in caught.value.message
    finally:
        end(child)


def test_kill_9_frees_the_lock(tmp_path: Path) -> None:
    """The kernel owns the lock: after kill -9 the next daemon starts at once."""
    end(hold(tmp_path / "state"))

    lock = StoreLock.acquire(tmp_path / "state", Path("/run/b.sock"))

    assert b"/run/b.sock" in lock.path.read_bytes()
    lock.release()


def test_activated_daemon_takes_over_from_a_hand_started_one(tmp_path: Path) -> None:
    """A socket-activated start asks the holder to end, waits, and then holds the lock itself."""
    child = hold(tmp_path / "state")
    try:
        lock = StoreLock.acquire(tmp_path / "state", Path("/run/b.sock"), take_over=True)

        assert child.wait(timeout=PATIENCE) == -signal.SIGTERM
        assert msgspec.json.decode(lock.path.read_bytes(), type=Holder).pid == os.getpid()
        lock.release()
    finally:
        end(child)


@pytest.mark.slow
def test_take_over_gives_up_on_a_deaf_holder(tmp_path: Path) -> None:
    """A holder that does not end within five seconds keeps the lock; nobody is killed."""
    child = hold(tmp_path / "state", "deaf")
    try:
        started = time.monotonic()
        with pytest.raises(BrokerError) as caught:
            StoreLock.acquire(tmp_path / "state", Path("/run/b.sock"), take_over=True)

        assert caught.value.kind is Kind.ALREADY_RUNNING
        assert 4.5 < time.monotonic() - started < PATIENCE
        assert child.poll() is None
    finally:
        end(child)


def test_take_over_never_signals_a_reused_pid(tmp_path: Path) -> None:
    """A record whose start time is not that of the process names somebody else: no signal."""
    child = hold(tmp_path / "state")
    try:
        path = tmp_path / "state" / "credward.lock"
        holder = msgspec.json.decode(path.read_bytes(), type=Holder)
        path.write_bytes(
            msgspec.json.encode(msgspec.structs.replace(holder, start_time=holder.start_time + 1))
        )
        with pytest.raises(BrokerError):
            StoreLock.acquire(tmp_path / "state", Path("/run/b.sock"), take_over=True)

        assert child.poll() is None
    finally:
        end(child)


def test_s5_state_directory_has_the_same_mode_under_any_umask(tmp_path: Path) -> None:
    """S5: 0700 for the directory and 0600 for the lock, whatever the umask."""
    modes = []
    for mask in (0o000, 0o077):
        before = os.umask(mask)
        try:
            state = tmp_path / f"{mask:o}" / "state"
            state.parent.mkdir(mode=0o700)
            lock = StoreLock.acquire(state, Path("/run/a.sock"))
            modes.append(
                (stat.S_IMODE(state.stat().st_mode), stat.S_IMODE(lock.path.stat().st_mode))
            )
            lock.release()
        finally:
            os.umask(before)

    assert modes == [(0o700, 0o600), (0o700, 0o600)]
