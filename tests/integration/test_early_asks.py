"""What an agent that asks again early is taken to mean, by the real helper below a harness."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.model_service import ModelService
from integration.command_line import cli
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


def test_a_key_that_an_agent_is_refused_with_is_told_until_another_one_is_there(
    start_daemon: DaemonFactory,
) -> None:
    """No other key can be minted: it is still served, and status and doctor say what to replace."""
    daemon = start_daemon("")
    key = daemon.home / "key"
    key.touch(mode=0o600)
    key.write_text("opaque-one")
    daemon.write_config(
        '[credentials.gateway]\nprovider = "static"\n'
        f'secret = {{ file = "{key}" }}\nbase_url = "https://llm.example.com"\n'
    )
    assert cli(daemon, "daemon", "reload").returncode == 0
    there = {"ANTHROPIC_BASE_URL": "https://llm.example.com"}
    assert agent(daemon, "", "", "WAIT", "", **there) == ["opaque-one"] * 3
    found = daemon.status("gateway")
    said = cli(daemon, "status", "gateway").stdout
    examined = cli(daemon, "doctor", "gateway", **there)
    line = found["doubt"]["message"]

    assert re.fullmatch(
        r'"gateway" is probably refused where it is used since \d\d:\d\d \(an agent asked for '
        rf"another token, and the same one came back\): put another one into {re.escape(str(key))}",
        line,
    )
    assert (found["state"], found["failure"]) == ("suspect", None)
    assert found["doubt"]["kind"] == "provider-refused"
    assert said.splitlines()[-1] == line
    assert f"warn token: {line}; credward doctor gateway --live shows" in examined.stdout
    assert cli(daemon, "status", "--check").returncode == 2
    key.write_text("opaque-two")
    place = there["ANTHROPIC_BASE_URL"]
    until(lambda: daemon.get("gateway", client_base_url=place).text == "opaque-two")
    found = daemon.status("gateway")
    assert (found["state"], found["doubt"]) == ("fresh", None)


def test_a_key_that_its_service_takes_is_doubted_no_more(start_daemon: DaemonFactory) -> None:
    """Asked by `doctor --live`; the agent had another reason to ask again."""
    with ModelService() as service:
        block = '[credentials.gateway]\nprovider = "static"\nsecret = { env = "THE_KEY" }\n'
        daemon = start_daemon(
            f'{block}base_url = "{service.url}"\n', environment={"THE_KEY": "opaque-key"}
        )
        agent(daemon, "", "", "WAIT", "", ANTHROPIC_BASE_URL=service.url)
        assert daemon.status("gateway")["doubt"] is not None
        words = ("doctor", "gateway", "--live")
        examined = cli(daemon, *words, ANTHROPIC_BASE_URL=service.url).stdout

    assert "ok   upstream" in examined
    assert "probably refused" not in examined
    assert daemon.status("gateway")["doubt"] is None


def test_a_doubt_is_said_if_nobody_can_be_asked(start_daemon: DaemonFactory) -> None:
    """With `--live` too; without a base URL that is no advice."""
    block = '[credentials.gateway]\nprovider = "static"\nsecret = { env = "THE_KEY" }\n'
    daemon = start_daemon(block, environment={"THE_KEY": "opaque-key"})
    agent(daemon, "", "", "WAIT", "")
    line = f"warn token: {daemon.status('gateway')['doubt']['message']}\n"
    plain = cli(daemon, "doctor", "gateway").stdout
    live = cli(daemon, "doctor", "gateway", "--live").stdout

    assert line in plain
    assert "--live" not in plain
    assert line in live
    assert "does not say which server takes its token" in live
