"""A set-up whose record is gone: undone, removed and recorded again by what the file shows."""

import json
from pathlib import Path

import pytest

from unit.cli.conftest import Run
from unit.cli.setup.test_command import settings

__all__ = ["settings"]

GATEWAY = '[credentials.gateway]\nprovider = "local"\nbase_url = "https://llm.example.com"\n'


@pytest.fixture
def lost(run: Run, home: Path, settings: Path, config_file: Path) -> Path:
    """Set up, with the state directory deleted since; what is in the file besides stays."""
    config_file.write_text(GATEWAY)
    settings.write_text('{"model": "opus"}')
    run("setup", "claude-code", "gateway", "--yes")
    memory = home / "state/credward/set-ups.json"
    memory.unlink()
    return memory


@pytest.mark.parametrize("words", [("claude-code", "--undo"), ("--undo", "--all")])
def test_undo_takes_out_what_is_certainly_ours(
    run: Run, settings: Path, lost: Path, words: tuple[str, ...]
) -> None:
    """The change is shown, and a backup that may hold more is named."""
    (backup,) = settings.parent.glob("*.bak")
    ran = run("setup", *words, "--yes")

    assert ran.code == 0, ran.err
    assert json.loads(settings.read_text()) == {"model": "opus"}
    assert f"delete it if you do not need it: {backup}" in ran.out


def test_setup_records_again_what_is_there(run: Run, settings: Path, lost: Path) -> None:
    """Although there is nothing to change in the file."""
    before = settings.read_text()
    ran = run("setup", "claude-code", "gateway", "--yes")

    assert ran.out.splitlines()[0] == f"{settings}: nothing to do"
    assert settings.read_text() == before
    (record,) = json.loads(lost.read_text()).values()
    assert [each["path"][-1] for each in record["changes"]] == [
        *("apiKeyHelper", "CLAUDE_CODE_API_KEY_HELPER_TTL_MS", "ANTHROPIC_BASE_URL")
    ]


def test_removal_finds_it_and_shows_what_goes(run: Run, settings: Path, lost: Path) -> None:
    """Else Claude Code would ask for a credential that is gone."""
    ran = run("remove", "gateway", "--dry-run")

    assert f"also removes our settings of Claude Code from {settings}" in ran.out
    assert "ANTHROPIC_BASE_URL" in ran.out


@pytest.mark.parametrize(
    ("line", "base_url"),
    [
        ("exec /opt/other-helper gateway", "https://llm.example.com"),
        ("exec credward-helper gateway | tee /tmp/x", "https://llm.example.com"),
        ("exec credward-helper gateway", "https://other.example"),
    ],
)
def test_nothing_else_is_touched(
    run: Run, settings: Path, lost: Path, line: str, base_url: str
) -> None:
    """Another helper, a line that does more, or another base URL is somebody else's."""
    settings.write_text(
        json.dumps({"apiKeyHelper": line, "env": {"ANTHROPIC_BASE_URL": base_url, "A": "b"}})
    )
    run("setup", "--undo", "--all", "--yes")
    left = json.loads(settings.read_text())

    assert left["env"] == {"ANTHROPIC_BASE_URL": base_url, "A": "b"}
    assert (left.get("apiKeyHelper") == line) is (base_url == "https://llm.example.com")
