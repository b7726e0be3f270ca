"""Programs that tools run for a token today, as they would run them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from credward.cli.add.tools import claude_base_url, find_scripts


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a program in it."""
    for name in ("bin/get-key", "bin/my key"):
        tool = tmp_path / name
        tool.parent.mkdir(exist_ok=True)
        tool.write_text("#!/bin/sh\necho x\n")
        tool.chmod(0o755)
    (tmp_path / ".claude").mkdir()
    return tmp_path


def claude(home: Path, **settings: object) -> dict[str, str]:
    (home / ".claude/settings.json").write_text(json.dumps(settings))
    return {"HOME": str(home)}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("~/bin/get-key", ["{home}/bin/get-key"]),
        ("exec {home}/bin/get-key --audience 'a b'", ["{home}/bin/get-key", "--audience", "a b"]),
        ("'{home}/bin/my key'", ["{home}/bin/my key"]),
        ("cat ~/.key | tr -d x", ["/bin/sh", "-c", "cat ~/.key | tr -d x"]),
        ("echo $KEY", ["/bin/sh", "-c", "echo $KEY"]),
        ("sh -c 'echo $KEY'", ["/bin/sh", "-c", "sh -c 'echo $KEY'"]),
        ("no-such-program-anywhere x", ["/bin/sh", "-c", "no-such-program-anywhere x"]),
        ("echo 'open", ["/bin/sh", "-c", "echo 'open"]),
    ],
)
def test_a_helper_is_run_as_claude_code_runs_it(home: Path, line: str, expected: list[str]) -> None:
    """By its path if it is a program and its words, else by the shell."""
    environ = claude(home, apiKeyHelper=line.format(home=home))
    (script,) = find_scripts(environ)

    assert list(script.program) == [word.format(home=home) for word in expected]
    assert script.lifetime == 300


def test_its_cache_time_and_server_come_along(home: Path) -> None:
    """The tool's own settings know how long a token may be kept, and where it goes."""
    variables = {
        "CLAUDE_CODE_API_KEY_HELPER_TTL_MS": "60000",
        "ANTHROPIC_BASE_URL": "https://llm.example.com",
    }
    environ = claude(home, apiKeyHelper="~/bin/get-key", env=variables)
    (script,) = find_scripts(environ)

    assert (script.lifetime, script.base_url) == (60, "https://llm.example.com")
    other = environ | {"ANTHROPIC_BASE_URL": "https://other.example.com"}
    assert claude_base_url(other) == "https://other.example.com"


def test_our_own_helper_and_broken_settings_are_nothing_to_take_over(home: Path) -> None:
    """Nor is a file that the tool itself would skip."""
    environ = claude(home, apiKeyHelper="exec /usr/bin/credward-helper gateway")
    ours = list(find_scripts(environ))
    (home / ".claude/settings.json").write_text("{")

    assert ours == list(find_scripts(environ)) == []


def test_programs_of_codex_are_found(home: Path) -> None:
    """`[model_providers.NAME.auth]` has a program, its arguments and its interval."""
    (home / ".codex").mkdir()
    (home / ".codex/config.toml").write_text(
        '[model_providers.corp]\nbase_url = "https://llm.example.com/v1"\n'
        '[model_providers.corp.auth]\ncommand = "sh"\nargs = ["-c", "echo x"]\n'
        "refresh_interval_ms = 900000\n"
        '[model_providers.done.auth]\ncommand = "credward-helper"\n'
        '[model_providers.plain]\nenv_key = "X"\n'
    )
    (script,) = find_scripts({"HOME": str(home)})

    assert script.tool == "Codex"
    assert script.program[1:] == ("-c", "echo x")
    assert script.program[0].endswith("/sh")
    assert (script.lifetime, script.base_url) == (900, "https://llm.example.com/v1")


@pytest.mark.parametrize("line", ["bin/token", "./token --now", "exec ../token | cat"])
def test_a_program_of_the_working_directory_is_not_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """It may be one of a repository that somebody else wrote."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".codex").mkdir()
    settings = json.dumps({"apiKeyHelper": line})
    (tmp_path / ".claude/settings.json").write_text(settings)
    text = f'[model_providers.x.auth]\ncommand = "{line.removeprefix("exec ").split()[0]}"\n'
    (tmp_path / ".codex/config.toml").write_text(text)

    assert list(find_scripts({"HOME": str(tmp_path)})) == []
