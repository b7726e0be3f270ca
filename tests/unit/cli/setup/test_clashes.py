"""What would keep a set-up of Claude Code from working is said before it is made."""

import json
from pathlib import Path

import pytest

from unit.cli.conftest import Run


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [
        ("CLAUDE_CODE_USE_VERTEX", "1", True),
        ("CLAUDE_CODE_USE_VERTEX", "0", False),
        ("AWS_BEARER_TOKEN_BEDROCK", "sesame", True),
        ("CLAUDE_CODE_SKIP_BEDROCK_AUTH", "true", True),
        ("ANTHROPIC_MODEL", "x", False),
    ],
)
def test_another_cloud_in_the_settings_is_an_error(
    run: Run, set_up_home: Path, name: str, value: str, refused: bool
) -> None:
    """Also in those of the project; a value that turns nothing on is none."""
    file = set_up_home / "repository/.claude/settings.local.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"env": {name: value}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(file.parents[1])
        ran = run("setup", "claude-code", "bedrock", "--yes", "--json")

    assert ran.code == (64 if refused else 0)
    assert (f'"{file}" sets {name}, which leads Claude Code elsewhere' in ran.err) == refused
    assert "sesame" not in ran.err


def test_what_set_up_takes_out_is_no_clash(run: Run, set_up_home: Path) -> None:
    """From one cloud to the next in one command."""
    run("setup", "claude-code", "vertex", "--yes", "--json")
    ran = run("setup", "claude-code", "bedrock", "--yes", "--json")

    assert ran.code == 0, ran.err
    assert "VERTEX" not in (set_up_home / ".claude/settings.json").read_text()


def test_a_switch_in_the_shell_is_a_warning(
    run: Run, set_up_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another shell may not have it."""
    monkeypatch.setenv("CLAUDE_CODE_USE_FOUNDRY", "1")
    ran = run("setup", "claude-code", "bedrock", "--yes")

    assert "warning: CLAUDE_CODE_USE_FOUNDRY is set here and leads Claude Code elsewhere" in ran.out
