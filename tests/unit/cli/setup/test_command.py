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
    assert "fail daemon: the daemon is not running" in ran.out


def test_g3_the_cache_time_fits_tokens_that_are_known_to_be_short(
    run: Run, settings: Path, config_file: Path
) -> None:
    """By the settings, before anything was minted; what is asked for outright counts more."""
    config_file.write_text(config_file.read_text() + "lifetime = 120\n")
    run("setup", "claude-code", "demo", "--yes")
    assert json.loads(settings.read_text())["env"]["CLAUDE_CODE_API_KEY_HELPER_TTL_MS"] == "30000"
    run("setup", "claude-code", "demo", "--yes", "--ttl", "77")

    assert json.loads(settings.read_text())["env"]["CLAUDE_CODE_API_KEY_HELPER_TTL_MS"] == "77000"


def test_running_it_again_does_nothing_and_undo_is_exact(run: Run, settings: Path) -> None:
    """Idempotent, and every byte comes back."""
    run("setup", "claude-code", "demo", "--yes")
    after = settings.read_text()
    again = run("setup", "claude-code", "demo", "--yes")
    run("setup", "claude-code", "--undo", "--yes")

    assert "nothing to do" in again.out
    assert after != FILE
    assert settings.read_text() == FILE


def test_what_a_change_replaces_is_said_before_it_is_made(
    run: Run, settings: Path, config_file: Path
) -> None:
    """Which credential goes, and where requests go from then on."""
    gateway = '[credentials.gateway]\nprovider = "local"\nbase_url = "https://llm.example"\n'
    config_file.write_text(config_file.read_text() + gateway)
    first = run("setup", "claude-code", "gateway", "--yes")
    same = run("setup", "claude-code", "gateway", "--yes", "--ttl", "60")
    asked = run("setup", "claude-code", "demo")

    assert "this replaces" not in first.out + same.out
    assert asked.code == 64
    assert asked.out.startswith(
        "note: this replaces gateway; requests will go to https://api.anthropic.com, "
        "not to https://llm.example\n"
    )
    assert "credward-helper gateway" in settings.read_text()


def test_the_address_that_a_shell_exports_still_counts(
    run: Run, settings: Path, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What set-up takes out of the file does not send requests elsewhere from there."""
    gateway = '[credentials.gateway]\nprovider = "local"\nbase_url = "https://llm.example"\n'
    config_file.write_text(config_file.read_text() + gateway)
    run("setup", "claude-code", "gateway", "--yes")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://llm.example")
    asked = run("setup", "claude-code", "demo")

    assert asked.out.splitlines()[0] == (
        "note: this replaces gateway; requests will go to https://llm.example from this shell, "
        "and to https://api.anthropic.com where ANTHROPIC_BASE_URL is not set"
    )
    assert settings.exists()


def test_s2_what_the_credential_before_needed_goes_with_it(
    run: Run, settings: Path, config_file: Path
) -> None:
    """Else requests go to the host of that one; what its owner had there comes back."""
    own = '{"env": {"ANTHROPIC_BASE_URL": "https://mine.example"}}'
    gateway = '[credentials.gateway]\nprovider = "local"\nbase_url = "https://llm.example"\n'
    config_file.write_text(config_file.read_text() + gateway)
    for before, after in ((FILE, None), (own, "https://mine.example")):
        settings.write_text(before)
        run("setup", "claude-code", "gateway", "--yes")
        env = json.loads(settings.read_text())["env"]
        assert env["ANTHROPIC_BASE_URL"] == "https://llm.example"
        run("setup", "claude-code", "demo", "--yes")
        assert json.loads(settings.read_text())["env"].get("ANTHROPIC_BASE_URL") == after
        run("setup", "claude-code", "--undo", "--yes")

        assert settings.read_text() == before


def tree(home: Path) -> dict[str, bytes | None]:
    """Return everything below *home* but what is ours: None for a directory."""
    return {
        str(each.relative_to(home)): each.read_bytes() if each.is_file() else None
        for each in home.rglob("*")
        if not each.is_relative_to(home / "state")
    }


@pytest.mark.parametrize(
    "before",
    [
        *(FILE, "", "{}", "{ }\n", "{\n}\n", '{"env": {}}', '{"env": { "A": "b" }}\n'),
        '\ufeff{"a": 1}',
        '{\r\n\t"a": 1\r\n}',
        *("no file", "no directory"),
    ],
)
def test_undo_leaves_what_was_there_and_nothing_else(
    run: Run, home: Path, settings: Path, before: str
) -> None:
    """To the byte, however often setup ran; neither a backup nor an empty directory stays."""
    settings.unlink()
    if before == "no directory":
        settings.parent.rmdir()
    elif before != "no file":
        settings.write_bytes(before.encode())
        settings.chmod(0o640)
    was = tree(home)
    for ttl in ("240", "60", "60"):
        run("setup", "claude-code", "demo", "--yes", "--ttl", ttl)
    assert json.loads(settings.read_text("utf-8-sig"))["apiKeyHelper"]
    ran = run("setup", "claude-code", "--undo", "--yes")

    assert ran.code == 0
    assert tree(home) == was
    assert not settings.exists() or settings.stat().st_mode & 0o777 == 0o640
    assert run("setup", "claude-code", "--undo", "--yes").code == 64


def test_undo_keeps_what_others_wrote_since(run: Run, settings: Path) -> None:
    """And the backups, which hold what they wrote over."""
    run("setup", "claude-code", "demo", "--yes")
    value = json.loads(settings.read_text())
    settings.write_text(json.dumps(value | {"theme": "light"}))
    run("setup", "claude-code", "demo", "--yes", "--ttl", "60")
    ran = run("setup", "claude-code", "--undo", "--yes")

    assert json.loads(settings.read_text()) == json.loads(FILE) | {"theme": "light"}
    assert "the old one is" in ran.out
    assert len(list(settings.parent.glob("*.bak"))) == 3


@pytest.mark.parametrize("theirs", [{}, {"theme": "light"}])
def test_undo_of_a_file_that_was_ours_alone(
    run: Run, settings: Path, theirs: dict[str, str]
) -> None:
    """It goes, in whatever form somebody wrote it anew; what is theirs stays."""
    settings.unlink()
    run("setup", "claude-code", "demo", "--yes")
    settings.write_text(json.dumps(json.loads(settings.read_text()) | theirs))
    ran = run("setup", "claude-code", "--undo", "--yes")

    said = "changed" if theirs else "removed, there was no file before"
    assert f"\n{settings}: {said}" in ran.out
    assert settings.exists() == bool(theirs)
    assert not theirs or json.loads(settings.read_text()) == theirs


def test_undo_where_the_file_is_gone(run: Run, settings: Path) -> None:
    """Somebody else has undone it; the backup is all that is left, and stays."""
    run("setup", "claude-code", "demo", "--yes")
    settings.unlink()
    ran = run("setup", "claude-code", "--undo", "--yes")

    assert (ran.code, ran.out) == (0, f"{settings}: nothing to do\n")
    assert [each.read_text() for each in settings.parent.iterdir()] == [FILE]


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


def test_an_unknown_credential_changes_nothing(run: Run, settings: Path) -> None:
    """The name is checked before the file is touched."""
    ran = run("setup", "claude-code", "demp", "--yes")

    assert ran.code == 78
    assert settings.read_text() == FILE
