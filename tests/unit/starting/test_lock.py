"""One start at a time, and those who waited hear of its failure."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from credward.errors import BrokerError, Failure, Kind
from credward.starting.lock import hold_start_lock

BROKEN = Failure.of(Kind.FIX_CONFIGURATION, "config.toml:1: é: run credward config check")


def test_it_is_private_and_its_directory_too(tmp_path: Path) -> None:
    """Made as the daemon would make it, whatever the umask."""
    state = tmp_path / "a/state"
    before = os.umask(0)
    try:
        with hold_start_lock(state):
            pass
    finally:
        os.umask(before)

    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / "start.lock").stat().st_mode & 0o777 == 0o600


def test_s10_a_crowd_makes_one_attempt_and_all_hear_of_it(tmp_path: Path) -> None:
    """Whoever began before the failure is told of it; nobody else tries."""
    attempts: list[Failure] = []
    heard: list[Failure | None] = []
    began = time.monotonic()

    def start() -> None:
        with hold_start_lock(tmp_path) as lock:
            failure = lock.failure_since(began, time.monotonic())
            if failure is None:
                attempts.append(BROKEN)
                lock.record(BROKEN, time.monotonic())
            heard.append(failure)

    with hold_start_lock(tmp_path):
        crowd = [threading.Thread(target=start) for _ in range(10)]
        for each in crowd:
            each.start()
        assert heard == []
    for each in crowd:
        each.join()

    assert attempts == [BROKEN]
    assert heard == [None, *[BROKEN] * 9]


def test_an_earlier_failure_is_nobodys(tmp_path: Path) -> None:
    """A start after a failed one is tried again; so is one after a boot, when the clock began anew."""
    with hold_start_lock(tmp_path) as lock:
        assert lock.failure_since(0.0, 100.0) is None
        lock.record(BROKEN, 50.0)

        assert lock.failure_since(50.0, 60.0) == BROKEN
        assert lock.failure_since(50.1, 60.0) is None
        assert lock.failure_since(10.0, 49.0) is None


@pytest.mark.parametrize("text", ["", "soon denied no\n", "\0\n", "1\n"])
def test_a_record_that_is_none_says_nothing_wrong(tmp_path: Path, text: str) -> None:
    """As of another version, or of a disk that was full."""
    (tmp_path / "start.lock").write_text(text)
    with hold_start_lock(tmp_path) as lock:
        found = lock.failure_since(0.0, 100.0)

    assert found is None or found.message == ""


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_s1_a_directory_that_others_can_write_is_not_trusted(tmp_path: Path, mode: int) -> None:
    """What they left there would be printed as a daemon's own words, with what to type."""
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(mode)
    (state / "start.lock").write_text("5.0 internal the daemon is broken: run /tmp/mend\n")

    with pytest.raises(BrokerError, match="is open to others") as caught, hold_start_lock(state):
        pass
    assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A link would have another file written, a FIFO would hold nothing."""
    (tmp_path / "start.lock").symlink_to(tmp_path / "other")
    with pytest.raises(BrokerError, match="cannot be opened"), hold_start_lock(tmp_path):
        pass
    (tmp_path / "start.lock").unlink()
    os.mkfifo(tmp_path / "start.lock")
    with pytest.raises(BrokerError, match="not a regular file"), hold_start_lock(tmp_path):
        pass

    assert not (tmp_path / "other").exists()
