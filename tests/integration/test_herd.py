"""T1 with the whole daemon: a thousand askers from many processes, one mint."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from integration.daemon import DaemonFactory, RunningDaemon
from integration.minting import MintProgram
from waiting import PATIENCE

ASKERS = Path(__file__).with_name("askers.py")


def herd(daemon: RunningDaemon, path: str, processes: int, each: int) -> list[dict[str, Any]]:
    """Connect all, then let all ask in the same instant."""
    children = [
        subprocess.Popen(
            [sys.executable, "-I", str(ASKERS), str(daemon.socket), path, str(each)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "connected\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        answers = []
        for child in children:
            out, _ = child.communicate(timeout=2 * PATIENCE)
            answers += json.loads(out)
        return answers
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
                child.communicate()


@pytest.fixture
def program(tmp_path: Path) -> MintProgram:
    program = MintProgram(tmp_path / "upstream")
    program.set(delay=0.5)
    return program


def ask(daemon: RunningDaemon) -> tuple[int, str]:
    answer = daemon.get("gateway")
    return answer.status, answer.text


def test_t1_a_thousand_askers_on_a_cold_credential(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """T1, cold: exactly one upstream call, everybody gets its token."""
    daemon = start_daemon(program.block("gateway"))
    answers = herd(daemon, "/v1/credentials/gateway/token?timeout=100", 8, 125)

    assert Counter(answer["status"] for answer in answers) == {200: 1000}
    assert {answer["body"] for answer in answers} == {"opaque-1"}
    assert program.mints == 1


@pytest.mark.slow
def test_t1_a_thousand_askers_on_an_expiring_credential(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """T1, expiring: all want more life than is left, which takes exactly one mint more."""
    program.set(lifetime=20, delay=0)
    daemon = start_daemon(program.block("gateway"))
    assert ask(daemon) == (200, "opaque-1")
    # Half the life is the most that one caller's wish can ask for: past it, a mint is needed.
    ends_at = float(daemon.get("gateway").headers["expires-at"])
    program.set(delay=1.0, lifetime=3600)
    time.sleep(max(0.0, ends_at - 9.5 - time.time()))
    before = program.mints
    answers = herd(daemon, "/v1/credentials/gateway/token?timeout=100&min_remaining=600", 8, 125)

    assert Counter(answer["status"] for answer in answers) == {200: 1000}
    assert program.mints - before <= 1
    assert program.mints == 2


def test_t1_a_thousand_askers_on_an_expired_credential(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """T1 and T7, expired: nobody gets the dead token, one mint serves all."""
    program.set(lifetime=3, delay=0)
    daemon = start_daemon(program.block("gateway", idle_after=0.1))
    assert ask(daemon) == (200, "opaque-1")
    time.sleep(3.5)
    before = program.mints
    program.set(delay=1.0, lifetime=3600)
    answers = herd(daemon, "/v1/credentials/gateway/token?timeout=100", 8, 125)

    assert Counter(answer["status"] for answer in answers) == {200: 1000}
    assert len({answer["body"] for answer in answers}) == 1
    assert program.mints - before == 1
