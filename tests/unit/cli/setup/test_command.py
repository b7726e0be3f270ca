"""`credward setup claude-code`: shown, confirmed, written, undone."""

import json
from pathlib import Path

import pytest

from unit.cli.conftest import Run

FILE = '{\n  "theme": "dark",\n  "permissions": {"allow": []}\n}\n'


@pytest.fixture
def settings(home: Path, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    helper = home / "bin" / "credward-helper"
    helper.parent.mkdir()
    helper.write_bytes(b"\x7fELF")
    helper.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(home / "bin" / "python3"))
    path = home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text(FILE)
    assert config_file.exists()
    return path


def test_writes_shows_and_ends_with_doctor(run: Run, settings: Path) -> None:
    """The file has the helper and its TTL; doctor says that there is no daemon yet."""
    ran = run("setup", "claude-code", "demo", "--yes")

    value = json.loads(settings.read_text())
    assert value["apiKeyHelper"].endswith("/bin/credward-helper demo")
    assert value["env"]["CLAUDE_CODE_API_KEY_HELPER_TTL_MS"] == "240000"
    assert value["theme"] == "dark"
    assert '+  "apiKeyHelper"' in ran.out
    assert ran.code == 69
    assert "run credward serve --detach" in ran.out


def test_running_it_again_does_nothing_and_undo_is_exact(run: Run, settings: Path) -> None:
    """Idempotent, and every byte comes back."""
    run("setup", "claude-code", "demo", "--yes")
    after = settings.read_text()
    again = run("setup", "claude-code", "demo", "--yes")
    run("setup", "claude-code", "--undo", "--yes")

    assert "nothing to do" in again.out
    assert after != FILE
    assert settings.read_text() == FILE


def test_nothing_is_written_without_a_yes(run: Run, settings: Path) -> None:
    """No terminal to ask on: refused, with the word that says yes."""
    ran = run("setup", "claude-code", "demo")

    assert ran.code == 64
    assert "--yes" in ran.err
    assert settings.read_text() == FILE


def test_a_dry_run_changes_nothing(run: Run, settings: Path) -> None:
    """The diff and nothing else."""
    ran = run("setup", "claude-code", "demo", "--dry-run")

    assert ran.code == 0
    assert '+  "apiKeyHelper"' in ran.out
    assert settings.read_text() == FILE


def test_a_foreign_helper_is_kept_until_told_otherwise_and_comes_back(
    run: Run, settings: Path
) -> None:
    """Refused without --replace; --undo restores it."""
    settings.write_text('{"apiKeyHelper": "theirs"}\n')
    refused = run("setup", "claude-code", "demo", "--yes")
    run("setup", "claude-code", "demo", "--yes", "--replace")
    run("setup", "claude-code", "--undo", "--yes")

    assert refused.code == 64
    assert "--replace" in refused.err
    assert settings.read_text() == '{"apiKeyHelper": "theirs"}\n'


def test_broken_json_is_left_alone(run: Run, settings: Path) -> None:
    """Named, not repaired."""
    settings.write_text('{"theme": }\n')
    ran = run("setup", "claude-code", "demo", "--yes")

    assert ran.code == 78
    assert str(settings) in ran.err
    assert settings.read_text() == '{"theme": }\n'


def test_the_shared_project_file_is_never_ours(
    run: Run, home: Path, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What everybody clones is not the place for one user's helper."""
    project = home / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    ran = run("setup", "claude-code", "demo", "--yes", "--settings", ".claude/settings.json")

    assert ran.code == 64
    assert "--settings local" in ran.err
    assert not (project / ".claude").exists()
    assert settings.read_text() == FILE


def test_an_unknown_credential_changes_nothing(run: Run, settings: Path) -> None:
    """The name is checked before the file is touched."""
    ran = run("setup", "claude-code", "demp", "--yes")

    assert ran.code == 78
    assert settings.read_text() == FILE
