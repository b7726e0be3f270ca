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
    ],
    ids=["another harness", "no harness", "one of its tools"],
)
async def test_others_are_not_looked_at(reports: ClientReports, change: dict[str, object]) -> None:
    with running() as pid:
        assert await reports.of(msgspec.structs.replace(claude(pid), **change)) is None


async def test_one_of_another_user_that_is_hidden_is_not_known(reports: ClientReports) -> None:
    """As with a daemon that serves several users."""
    with running() as pid:
        pass
    assert await reports.of(msgspec.structs.replace(claude(pid), uid=os.getuid() + 1)) is None


@pytest.mark.parametrize("change", [{"executable": None}, {"handle": None}, {}])
async def test_one_that_cannot_be_found_out_is_denied(
    reports: ClientReports, change: dict[str, object]
) -> None:
    """It is not served as one of which nothing is known: in a container, replaced, or gone."""
    with running() as pid:
        pass
    with pytest.raises(BrokerError, match="cannot be found out") as caught:
        await reports.of(msgspec.structs.replace(claude(pid), **change))
    assert caught.value.kind is Kind.DENIED


async def test_one_that_is_not_found_out_in_time_is_denied() -> None:
    """Else a slow disk would set it free."""
    with running() as pid, pytest.raises(BrokerError, match="cannot be found out"):
        await ClientReports(Looker(deadline=0.0)).of(claude(pid))


async def test_of_a_variable_that_is_set_twice_the_first_counts(
    reports: ClientReports, tmp_path: Path
) -> None:
    """As for getenv(3)."""
    # A shell would keep one of them.
    program = tmp_path / "twice"
    program.write_text(
        "import ctypes, os, sys\n"
        "words = [b'CLOUD_ML_REGION=one', b'CLOUD_ML_REGION=two', b'HOME=/nonexistent']\n"
        "environ = (ctypes.c_char_p * 4)(*words, None)\n"
        "sleep = (ctypes.c_char_p * 3)(b'sh', b'-c', b'echo begun; read end', None)".replace(
            "* 3", "* 4"
        )
        + "\n"
        "ctypes.CDLL(None).execve(b'/bin/sh', sleep, environ)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == b"begun\n"
        said = await reports.of(claude(child.pid))
        child.stdin.close()
    assert said is not None
    assert said.partition(b"\n")[0] == b"CLOUD_ML_REGION=one"


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
