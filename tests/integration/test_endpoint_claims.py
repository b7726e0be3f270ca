"""Where Claude Code would send a token that it asks for at an endpoint, which has no place to say so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from integration.daemon import DaemonFactory, RunningDaemon
from integration.endpoints import CLIENTS, block, endpoints
from integration.minting import MintProgram

VERTEX = {"CLAUDE_CODE_USE_VERTEX": "1", "CLOUD_ML_REGION": "global"}
ELSEWHERE = {"ANTHROPIC_VERTEX_BASE_URL": "https://attacker.example"}
# Takes the name argv[1], asks at the port argv[2] for argv[3] with the headers argv[4], and prints
# the answer.
ASKER = """
import http.client, json, sys
open("/proc/self/comm", "w").write(sys.argv[1])
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[2]), timeout=60)
connection.request("GET", sys.argv[3], headers=json.loads(sys.argv[4]))
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="endpoints need Linux")


class Asker:
    """A program in a folder of its own, with a home of its own."""

    def __init__(self, daemon: RunningDaemon, folder: Path) -> None:
        self._daemon = daemon
        self.home = folder / "home"
        self.work = folder / "work"
        for each in (self.home / ".claude", self.work / ".claude", self.work / ".git"):
            each.mkdir(parents=True)

    def ask(self, *, name: str = "claude", **variables: str) -> str:
        """Return the status and the body that a program called *name* is answered."""
        client = CLIENTS["gce"]
        port = str(endpoints(self._daemon)["gce"]["port"])
        done = subprocess.run(
            [
                *(sys.executable, "-I", "-S", "-c", ASKER),
                *(name, port, client.path, json.dumps(client.headers)),
            ],
            env={"PATH": os.defpath, "HOME": str(self.home), **variables},
            cwd=self.work,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def asker(start_daemon: DaemonFactory, program: MintProgram, tmp_path: Path) -> Asker:
    """At the endpoint of a credential that is bound to Vertex AI."""
    bound = program.block("given", base_url='"https://aiplatform.googleapis.com"')
    return Asker(start_daemon(bound + block("gce", "given")), tmp_path)


def settings(folder: Path, variables: dict[str, str], name: str = "settings.json") -> Path:
    path = folder / ".claude" / name
    path.write_text(json.dumps({"env": variables}))
    return path


def test_claude_code_gets_what_goes_where_it_may(asker: Asker) -> None:
    assert asker.ask(**VERTEX).startswith("200 ")


def test_settings_of_its_user_count_as_it_reads_them(asker: Asker) -> None:
    """`credward setup claude-code` writes them there, and not into an environment."""
    settings(asker.home, VERTEX)
    assert asker.ask().startswith("200 ")
    settings(asker.home, {**VERTEX, **ELSEWHERE})
    answer = asker.ask()
    assert answer.startswith("403 ")
    assert (
        "is for https://aiplatform.googleapis.com only, not for https://attacker.example" in answer
    )


@pytest.mark.parametrize("name", ["settings.json", "settings.local.json"])
def test_s2_a_repository_redirects_nothing_at_an_endpoint(asker: Asker, name: str) -> None:
    path = settings(asker.work, ELSEWHERE, name)
    answer = asker.ask(**VERTEX)
    assert answer.startswith("403 ")
    assert f"ANTHROPIC_VERTEX_BASE_URL in {path} sends it to https://attacker.example" in answer


def test_s2_nor_does_its_environment(asker: Asker) -> None:
    answer = asker.ask(**VERTEX, **ELSEWHERE)
    assert answer.startswith("403 ")
    assert "not for https://attacker.example" in answer
    answer = asker.ask(**VERTEX, HTTPS_PROXY="http://proxy.example:3128")
    assert "with HTTPS_PROXY set to proxy.example:3128" in answer


def test_who_sends_it_to_another_service_gets_nothing(asker: Asker) -> None:
    """Without a switch it would go to the usual address."""
    assert "not for https://api.anthropic.com" in asker.ask()


def test_of_other_programs_nothing_is_known(asker: Asker) -> None:
    """Whatever they claim: their variables mean nothing to us."""
    answer = asker.ask(name="python", **VERTEX)
    assert answer.startswith("403 ")
    assert "clients of an endpoint do not say where they send it" in answer


def test_settings_that_cannot_be_read_deny(asker: Asker) -> None:
    (asker.work / ".claude" / "settings.json").write_text("{")
    answer = asker.ask(**VERTEX)
    assert answer.startswith("403 ")
    assert "settings.json is not JSON: correct it" in answer
