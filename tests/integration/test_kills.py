"""kill -9 of a worker and of the daemon in the middle of a mint, and a socket that disappears."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from credward.processes import descendants
from integration.daemon import Answer, DaemonFactory, RunningDaemon
from integration.minting import MintProgram
from waiting import PATIENCE, until


def below(pid: int) -> list[int]:
    return [each.pid for each in descendants(pid)]


def workers(daemon: RunningDaemon) -> list[int]:
    found = []
    for pid in below(daemon.pid):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"workers" in command:
            found.append(pid)
    return found


def test_a_worker_killed_in_mid_mint_costs_one_clear_error_and_no_daemon(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """The waiter hears of it at once instead of at its deadline; the next flight has a new worker."""
    program.set(delay=200)
    daemon = start_daemon(program.block("gateway", timeout=300))
    answers: list[Answer] = []
    asking = threading.Thread(target=lambda: answers.append(daemon.get("gateway", timeout=250)))
    asking.start()
    until(lambda: program.mints == 1)
    began = time.monotonic()
    (worker,) = workers(daemon)
    os.kill(worker, signal.SIGKILL)
    asking.join(timeout=PATIENCE)

    assert time.monotonic() - began < PATIENCE
    assert answers[0].status >= 500
    assert "worker" in answers[0].text
    program.set(delay=0)
    until(lambda: daemon.get("gateway").status == 200)
    assert daemon.running


def test_a_valid_token_is_served_while_the_refreshing_worker_dies(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """Nobody who can be served notices a dead worker."""
    daemon = start_daemon(program.block("gateway", timeout=300))
    assert daemon.get("gateway").text == "opaque-1"
    program.set(delay=200)
    forcing = threading.Thread(
        target=lambda: daemon.request("POST", "/v1/credentials/gateway/refresh")
    )
    forcing.start()
    until(lambda: program.mints == 2)
    for worker in workers(daemon):
        os.kill(worker, signal.SIGKILL)
    served = daemon.get("gateway")
    forcing.join(timeout=PATIENCE)

    assert (served.status, served.text) == (200, "opaque-1")


def test_a_daemon_killed_in_mid_mint_starts_again_and_leaves_nobody_behind(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """After kill -9 the lock is free, the stale socket is replaced, workers and programs are gone."""
    program.set(delay=200)
    daemon = start_daemon(program.block("gateway", timeout=300))
    asking = threading.Thread(target=lambda: _quietly(daemon))
    asking.start()
    until(lambda: program.mints == 1)
    left = below(daemon.pid)
    daemon.kill9()
    asking.join(timeout=PATIENCE)
    program.set(delay=0)
    daemon.start()

    assert daemon.get("gateway").status == 200
    until(lambda: not any(_alive(pid) for pid in left))


def _quietly(daemon: RunningDaemon) -> None:
    try:
        daemon.get("gateway")
    except (OSError, IndexError):
        pass


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_s7_a_removed_runtime_directory_is_made_again(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """S7: clients fail fast meanwhile, and the daemon comes back at the same path by itself."""
    daemon = start_daemon(program.block("gateway"))
    daemon.get("gateway")
    # It looks once in a while; not before we did.
    daemon.send(signal.SIGSTOP)
    shutil.rmtree(daemon.socket.parent)
    with pytest.raises(OSError):
        daemon.get("gateway")
    daemon.send(signal.SIGCONT)
    answers: list[Answer] = []

    def served() -> bool:
        # Between bind and listen the file is there and refuses.
        with contextlib.suppress(OSError):
            answers.append(daemon.get("gateway"))
        return bool(answers)

    until(served)

    assert answers[0].text == "opaque-1"
    assert daemon.socket.parent.stat().st_mode & 0o777 == 0o700


def test_o2_sigterm_finishes_answers_in_flight_within_two_seconds(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """O2: the caller whose token is a moment away gets it; the socket is gone afterwards."""
    program.set(hold="")
    daemon = start_daemon(program.block("gateway"))
    answers: list[Answer] = []
    asking = threading.Thread(target=lambda: answers.append(daemon.get("gateway")))
    asking.start()
    until(lambda: program.mints == 1)
    daemon.send(signal.SIGTERM)
    # The first thing that it does.
    until(lambda: not daemon.socket.exists())
    program.set(hold=None)
    code = daemon.stop()
    asking.join(timeout=PATIENCE)

    assert code == 0
    assert [(answer.status, answer.text) for answer in answers] == [(200, "opaque-1")]
    assert not daemon.socket.exists()


def test_sigterm_with_a_hung_program_still_ends_in_time(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """O2: what cannot finish is killed; nothing stays behind."""
    program.set(delay=600)
    daemon = start_daemon(program.block("gateway", timeout=600))
    asking = threading.Thread(target=lambda: _quietly(daemon))
    asking.start()
    until(lambda: program.mints == 1)
    left = below(daemon.pid)
    began = time.monotonic()
    code = daemon.stop()
    asking.join(timeout=PATIENCE)

    assert code == 0
    assert time.monotonic() - began < 30
    until(lambda: not any(_alive(pid) for pid in left))
