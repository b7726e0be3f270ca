"""What an agent that asks again early is taken to mean, by the real helper below a harness."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from integration.daemon import DaemonFactory, RunningDaemon
from integration.minting import MintProgram
from waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def agent(daemon: RunningDaemon, *lines: str, **environment: str) -> list[str]:
    """Return what the helper prints to an agent that runs these lines, one after the other.

    WAIT stands for the time that a mint in the background takes.
    """
    harness = daemon.home / "claude"
    shutil.copy("/bin/sh", harness)
    helper = Path(sys.executable).parent / "credward-helper"
    go_on = daemon.home / "go-on"
    script = daemon.home / "turns.sh"
    script.write_text(
        "\n".join(
            f"until [ -e {go_on} ]; do sleep 0.05; done"
            if line == "WAIT"
            else f"{helper} --timeout 60 gateway {line}"
            for line in lines
        )
    )
    with subprocess.Popen(
        [str(harness), str(script)],
        env={**daemon.environment, "CREDWARD_SOCKET": str(daemon.socket), **environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            if "WAIT" in lines:
                until(lambda: daemon.status("gateway")["mints"] == 2)
                go_on.touch()
            printed, _ = running.communicate(timeout=120)
        finally:
            running.kill()
    return [line[line.index("opaque-") :].partition('"')[0] for line in printed.splitlines()]


def test_g3_a_token_that_is_cached_for_longer_than_it_lasts_is_replaced_when_it_is_refused(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """The first re-ask of an agent is understood, also after an ask that waited for its mint."""
    program.set(lifetime=1200)
    daemon = start_daemon(program.block("gateway"))
    answers = agent(daemon, "", "", "WAIT", "", "", "", CLAUDE_CODE_API_KEY_HELPER_TTL_MS="2400000")

    assert answers == ["opaque-1", "opaque-1", "opaque-2", "opaque-2", "opaque-2"]
    assert program.mints == 2


@pytest.mark.parametrize("format_name", ["headers", "json"])
def test_g11_other_shapes_that_agents_ask_for_are_understood_too(
    start_daemon: DaemonFactory, program: MintProgram, format_name: str
) -> None:
    """Headers for an MCP server, JSON for a hook: asked for again when they were refused."""
    daemon = start_daemon(program.block("gateway"))
    words = f"--format {format_name}"
    answers = agent(daemon, words, words, "WAIT", words)

    assert answers == ["opaque-1", "opaque-1", "opaque-2"]


def test_g3_the_tools_of_an_agent_may_ask_as_often_as_they_like(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """A status line, a script: CLAUDECODE is set there."""
    daemon = start_daemon(program.block("gateway"))
    answers = agent(daemon, *[""] * 8, *["--format json"] * 8, CLAUDECODE="1")

    assert len(answers) == 16
    assert program.mints == 1
