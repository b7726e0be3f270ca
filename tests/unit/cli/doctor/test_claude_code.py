"""What stands before the helper in settings that only an administrator can write; the rest is in tests/integration/test_doctor."""

import json
from pathlib import Path

import pytest

from credward.cli.setup import claude_code
from unit.cli.conftest import Run


@pytest.fixture
def managed(home: Path, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The administrator's folder, and a helper of the user."""
    folder = tmp_path / "managed"
    (folder / "managed-settings.d").mkdir(parents=True)
    monkeypatch.setattr(claude_code, "_MANAGED", (folder,))
    (home / ".claude").mkdir()
    (home / ".claude/settings.json").write_text('{"apiKeyHelper": "exec credward-helper demo"}')
    assert config_file.exists()
    return folder


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"forceLoginMethod": "claudeai"}, "sets forceLoginMethod, which blocks every helper"),
        (
            {"env": {"ANTHROPIC_API_KEY": "k"}},
            "sets ANTHROPIC_API_KEY, which is sent as x-api-key in place",
        ),
        ({"env": {"CLAUDE_CODE_USE_VERTEX": 1}}, "sets CLAUDE_CODE_USE_VERTEX, so Claude Code"),
        ({"apiKeyHelper": "print-key"}, "names another helper, which is not tried here"),
    ],
)
def test_what_only_an_administrator_can_change_is_theirs(
    run: Run, managed: Path, settings: dict[str, object], says: str
) -> None:
    """The line says whom to ask."""
    path = managed / "managed-settings.d/50-us.json"
    path.write_text(json.dumps(settings))
    ran = run("doctor")

    (line,) = [each for each in ran.out.splitlines() if says in each]
    assert line.startswith(f"fail Claude Code: {path} ")
    assert line.endswith(": ask your administrator")


def test_variables_of_a_folder_that_lead_elsewhere_are_named(
    run: Run, managed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell would follow them, so they are kept from what doctor runs, and are a fault."""
    assert managed.exists()
    path = tmp_path / "repo/.claude/settings.local.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"env": {"PATH": "./bin", "LD_PRELOAD": "./x.so", "EDITOR": "vi"}}')
    monkeypatch.chdir(tmp_path / "repo")
    ran = run("doctor")

    assert f"fail Claude Code: {path} sets PATH, which may lead to another daemon" in ran.out
    assert f"fail Claude Code: {path} sets LD_PRELOAD, which may lead" in ran.out
    assert "EDITOR" not in ran.out
