"""Which file of which level, and what would be in it."""

import json
from pathlib import Path

import pytest

from unit.cli.conftest import Run
from unit.cli.setup.test_command import FILE, settings, tree

__all__ = ["settings"]


@pytest.fixture
def project(home: Path, settings: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = home / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert settings.exists()
    return folder


@pytest.mark.parametrize("words", [("--level", "project"), ("--settings", ".claude/settings.json")])
def test_the_shared_file_holds_nothing_of_this_machine(
    run: Run, home: Path, settings: Path, project: Path, words: tuple[str, ...]
) -> None:
    """Everybody who clones finds the helper on PATH; who changes the file is told so, and asked."""
    refused = run("setup", "claude-code", "demo", *words)
    assert (refused.code, list(project.iterdir())) == (64, [])
    ran = run("setup", "claude-code", "demo", "--yes", *words)
    written = project / ".claude/settings.json"

    assert json.loads(written.read_text())["apiKeyHelper"] == "exec credward-helper demo"
    assert str(home) not in written.read_text()
    for said in (refused.out, ran.out):
        assert f"note: {written} is shared with everyone who clones the repository" in said
        assert "warning: credward-helper is not on your PATH" in said
    assert settings.read_text() == FILE
    run("setup", "claude-code", "--undo", "--yes", *words)
    assert list(project.iterdir()) == []


def test_in_the_home_directory_the_users_file_is_not_shared(
    run: Run, home: Path, settings: Path
) -> None:
    """There it has the path of a project's."""
    ran = run("setup", "claude-code", "demo", "--yes", "--level", "project")

    assert f"{home}/bin/credward-helper" in settings.read_text()
    assert "is shared" not in ran.out
    assert "overrides" not in ran.out


def test_what_an_administrator_needs_is_printed_and_nothing_is_changed(
    run: Run, home: Path, settings: Path
) -> None:
    """Only JSON on standard output; where it goes is beside it."""
    was = tree(home)
    ran = run("setup", "claude-code", "demo", "--level", "managed", "--env", "ANTHROPIC_MODEL=m")
    facts = run("setup", "claude-code", "demo", "--level", "managed", "--json")
    undo = run("setup", "claude-code", "--level", "managed", "--undo")

    value = json.loads(ran.out)
    assert value["apiKeyHelper"].endswith("/bin/credward-helper demo")
    assert value["env"]["ANTHROPIC_MODEL"] == "m"
    assert ran.err.startswith("nothing was changed: an administrator puts this into /")
    assert "managed-settings.d/50-credward.json" in ran.err
    assert json.loads(facts.out)["settings"]["apiKeyHelper"] == value["apiKeyHelper"]
    assert (undo.code, tree(home)) == (64, was)


def test_each_level_is_undone_by_itself(
    run: Run, home: Path, settings: Path, project: Path
) -> None:
    """And all of them by --undo --all, to the byte."""
    own = project / ".claude/settings.local.json"
    own.parent.mkdir()
    own.write_text('{"env": {"A": "b"}}')
    was = tree(home)
    for _ in range(2):
        for level in ("user", "local", "project"):
            run("setup", "claude-code", "demo", "--yes", "--level", level, "--env", "B=c")
    run("setup", "claude-code", "--undo", "--yes", "--level", "local")
    assert own.read_text() == '{"env": {"A": "b"}}'
    assert "credward-helper" in settings.read_text()
    run("setup", "claude-code", "demo", "--yes", "--level", "local")
    refused = run("setup", "--undo", "--all")
    ran = run("setup", "--undo", "--all", "--yes")

    assert (refused.code, refused.out.count("\n@@ ")) == (64, 3)
    assert refused.err.endswith("run credward setup --undo --all --yes\n")
    assert ran.out.count("as it was before") == 2
    assert ran.out.count("removed, there was no file before") == 1
    assert tree(home) == was


@pytest.mark.parametrize("order", [("local", "project"), ("project", "local")])
def test_a_directory_that_we_made_goes_with_the_last_file_in_it(
    run: Run, project: Path, order: tuple[str, str]
) -> None:
    """Whichever is undone first."""
    for level in ("local", "project"):
        run("setup", "claude-code", "demo", "--yes", "--level", level)
    for level in order:
        run("setup", "claude-code", "--undo", "--yes", "--level", level)

    assert list(project.iterdir()) == []


@pytest.mark.parametrize("options", [("--yes",), ("--dry-run",)])
def test_g8_a_token_for_another_service_is_not_set_up(
    run: Run, settings: Path, config_file: Path, options: tuple[str, ...]
) -> None:
    """G8: it would go to the Claude API, and nothing is written."""
    lines = 'provider = "entra"\nsource = "az"\nscope = "https://management.azure.com/.default"'
    config_file.write_text(f"[credentials.other]\n{lines}\n")
    ran = run("setup", "claude-code", "other", *options)

    assert ran.code == 78
    (line,) = ran.err.splitlines()
    assert line.startswith('credward: "other" is for Microsoft\'s own services, which ')
    assert "name another credential" in line
    assert settings.read_text() == FILE


@pytest.mark.parametrize(
    "lines",
    [
        'provider = "anthropic"\napi_key = { store = "key" }',
        'provider = "entra"\nsource = "az"\nscope = "api://litellm/.default"',
        'provider = "gcp"\nsource = "metadata"\ntoken = "id"\naudience = "https://llm.example.com"',
    ],
)
def test_g8_a_token_that_a_helper_can_hand_on_is_set_up(
    run: Run, settings: Path, config_file: Path, lines: str
) -> None:
    """G8: a key of the API itself, and tokens for gateways."""
    config_file.write_text(f"[credentials.other]\n{lines}\n")
    run("setup", "claude-code", "other", "--yes")

    assert "credward-helper" in settings.read_text()


def test_a_mistyped_level_is_no_file(
    run: Run, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made in the folder where somebody happens to be."""
    monkeypatch.chdir(tmp_path)
    ran = run("setup", "claude-code", "demo", "--settings", "usr", "--yes")

    assert (ran.code, settings.read_text()) == (64, FILE)
    assert ran.err.startswith('credward: "usr" is not a settings file: use --level user, ')
    assert "use --level local" in run("setup", "claude-code", "--settings", "local").err
    assert list(tmp_path.glob("usr*")) == []
