"""Who is looked at: a Claude Code that asks by itself, and nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from credward.callers.caller import Caller, Executable, Process
from credward.callers.client_reports import ClientReports
from credward.callers.looking import Looker
from credward.errors import BrokerError, Kind
from unit.callers.environments import running
from waiting import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def claude(pid: int) -> Caller:
    return Caller(
        uid=os.getuid(),
        gid=os.getgid(),
        pid=pid,
        handle="socket_inode",
        executable=Executable(path="/usr/bin/claude"),
        agent=Process(pid=pid, start_time=1, name="claude"),
        harness="claude",
        ancestry_complete=True,
    )


@pytest.fixture
def reports() -> ClientReports:
    return ClientReports(Looker(deadline=PATIENCE))


async def test_its_variables_and_its_folder_are_told(
    reports: ClientReports, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    (folder / ".claude").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / ".claude" / "settings.json").write_text(json.dumps({"env": {"A": "b"}}))
    home = tmp_path / "home" / ".claude"
    home.mkdir(parents=True)
    (home / "settings.json").write_text(json.dumps({"env": {"CLOUD_ML_REGION": "global"}}))
    with running(
        HOME=str(home.parent), CLAUDE_CODE_USE_VERTEX="1", SECRET="hidden", cwd=folder
    ) as pid:
        said = await reports.of(claude(pid))
    assert said is not None
    line, _, body = said.partition(b"\n")
    assert line == b"CLAUDE_CODE_USE_VERTEX=1,CLOUD_ML_REGION=global"
    assert b'{"env": {"A": "b"}}' in body
    assert b"hidden" not in said


@pytest.mark.parametrize(
    "change",
    [
        {"harness": "codex"},
        {"harness": None, "agent": None},
        {"agent": Process(pid=1, start_time=1, name="claude")},
        {"handle": None},
        {"executable": None},
    ],
    ids=["another harness", "no harness", "one of its tools", "no process", "in a container"],
)
async def test_others_are_not_looked_at(reports: ClientReports, change: dict[str, object]) -> None:
    with running() as pid:
        assert await reports.of(msgspec.structs.replace(claude(pid), **change)) is None


async def test_one_that_is_hidden_or_gone_is_not_known(reports: ClientReports) -> None:
    with running() as pid:
        pass
    assert await reports.of(claude(pid)) is None


async def test_one_that_cannot_be_found_out_in_time_is_an_error() -> None:
    """It is not served as one of which nothing is known: then a slow disk would set it free."""
    with running() as pid, pytest.raises(BrokerError) as caught:
        await ClientReports(Looker(deadline=0.0)).of(claude(pid))
    assert caught.value.kind is Kind.TIMED_OUT


def test_the_program_runs_by_itself(tmp_path: Path) -> None:
    """Isolated, with no environment, as it is started."""
    with running(CLAUDE_CODE_USE_VERTEX="1", HOME=str(tmp_path), cwd=tmp_path) as pid:
        done = subprocess.run(
            [sys.executable, "-I", "-m", "credward.cli.client_report", str(pid)],
            env={},
            cwd="/",
            capture_output=True,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"CLAUDE_CODE_USE_VERTEX=1\n")
