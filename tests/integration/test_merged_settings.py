"""What doctor takes for the settings of Claude Code is what the real one makes of the same files."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from credward.cli.setup.claude_code_merged import read_merged
from fakes.messages_api import MessagesApi
from integration.claude_code import find_claude

pytestmark = pytest.mark.slow

FILES = {
    "user": "home/.claude/settings.json",
    "project": "repo/.claude/settings.json",
    "local": "repo/.claude/settings.local.json",
    "given": "given.json",
}
# Writes down, for each run, who it is, where it is and what it was given.
HELPER = """#!/bin/sh
mkdir "{0}/runs/$$"
env -0 > "{0}/runs/$$/environment"; pwd > "{0}/runs/$$/folder"; echo "$1" > "{0}/runs/$$/who"
echo token
"""


class Real:
    """A Claude Code with a home of its own, and a helper that tells what it was run with."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        for name in ("home/.claude", "repo/.claude", "runs"):
            (folder / name).mkdir(parents=True)
        self.helper = folder / "helper"
        self.helper.write_text(HELPER.format(folder))
        self.helper.chmod(0o755)
        self.shell = {
            "HOME": str(folder / "home"),
            "PATH": "/usr/bin:/bin",
            "ANTHROPIC_BASE_URL": url,
            "DISABLE_TELEMETRY": "1",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "IS_SANDBOX": "1",
            "WHO": "shell",
            "MINE": "1",
        }

    def write(self, level: str, **env: Any) -> None:
        """Write the file of a level, with a helper that knows it, and these variables."""
        content = {"apiKeyHelper": f"{self.helper} {level}", "env": env}
        (self.folder / FILES[level]).write_text(json.dumps(content))

    def run(self) -> list[tuple[str, dict[str, str]]]:
        """Return for each run, in their order, which helper it was and its environment."""
        given = self.folder / FILES["given"]
        words = ["-p", "say hi", *(["--settings", str(given)] if given.exists() else [])]
        subprocess.run(
            [*find_claude(), *words],
            env=self.shell,
            cwd=self.folder / "repo",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=240,
        )
        found = []
        runs = (self.folder / "runs").iterdir()
        for run in sorted(runs, key=lambda each: each.stat().st_mtime_ns):
            assert (run / "folder").read_text().strip() == str(self.folder / "repo")
            lines = (run / "environment").read_text().split("\0")
            told = dict(each.partition("=")[::2] for each in lines if each)
            found.append(((run / "who").read_text().strip(), told))
        return found


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Real]:
    # A refused token makes Claude Code run the helper again.
    with MessagesApi(refuse_first=1) as api:
        yield Real(tmp_path, api.url)


@pytest.mark.parametrize("strongest", list(FILES))
def test_the_same_helper_runs_with_the_same_variables(real: Real, strongest: str) -> None:
    """The strongest file wins, variables merge one by one and win over the shell's; those of a folder come later."""
    names = list(FILES)[: list(FILES).index(strongest) + 1]
    for name in names:
        real.write(name, WHO=name, **{f"ONLY_{name.upper()}": name}, NUMBER=5, SWITCH=True)
    (first, told_first), (second, told_second) = real.run()
    given = real.folder / FILES["given"]
    merged = read_merged(real.shell, real.folder / "repo", given if given.exists() else None)

    assert merged.helper is not None
    assert merged.helper[0].split()[-1] == first == second
    for expected, told in (
        (merged.environment(folder=False), told_first),
        (merged.environment(), told_second),
    ):
        assert {name: told.get(name) for name in expected} == expected
    assert "ONLY_LOCAL" not in told_first


def test_a_broken_file_counts_for_nothing_there_too(real: Real) -> None:
    """The others count as before."""
    real.write("user", WHO="user")
    (real.folder / FILES["local"]).write_text('{"apiKeyHelper": ')
    (who, told), *_ = real.run()
    merged = read_merged(real.shell, real.folder / "repo")

    assert [each.name for each in merged.levels if each.fault] == ["local"]
    assert merged.helper is not None
    assert merged.helper[0].split()[-1] == who == "user"
    assert told["WHO"] == merged.environment()["WHO"] == "user"
