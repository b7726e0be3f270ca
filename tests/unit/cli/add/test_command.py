"""`credward add`: one block more, everything else byte for byte."""

import json
import tomllib
from pathlib import Path

import msgspec
import pytest

from credward.config import environment, find_paths, load_config
from unit.cli.conftest import Run


def test_adds_a_block_and_keeps_the_rest(run: Run, config_file: Path) -> None:
    """Comments and order stay; without a daemon the next command is named."""
    before = config_file.read_text()
    ran = run(
        "add", "gateway", "--provider", "command",
        "--set", "base_url=https://llm.example.com", "--set", "lifetime=600",
        "--set", 'serve.scopes=["a"]', "--", "my-tool", "--flag", "x",
    )  # fmt: skip

    after = config_file.read_text()
    assert ran.code == 0, ran.err
    assert after.startswith(before)
    added = load_config(find_paths({"XDG_CONFIG_HOME": str(config_file.parents[1]), "HOME": "/"}))
    gateway = added.credentials["gateway"]
    assert list(gateway.settings.command) == ["my-tool", "--flag", "x"]
    assert gateway.base_urls == ("https://llm.example.com",)
    assert gateway.scopes == ("a",)
    assert "next: credward daemon start, then credward get gateway" in ran.out


def test_a_bad_block_changes_nothing(run: Run, config_file: Path) -> None:
    """Checked before it replaces what works."""
    before = config_file.read_text()
    ran = run("add", "x", "--provider", "local", "--set", "lifetme=3")

    assert ran.code == 78
    assert 'perhaps "lifetime"' in ran.err
    assert config_file.read_text() == before


def test_an_existing_name_is_replaced_only_if_that_is_said(run: Run, config_file: Path) -> None:
    """The difference is shown first; comments stay, and the daemon is named that has to read it."""
    before = config_file.read_text()
    words = ("add", "demo", "--provider", "local", "--set", "lifetime=600")
    refused = run(*words)
    unchanged = config_file.read_text()
    done = run(*words, "--replace")

    assert refused.code == 64
    assert "+lifetime = 600" in refused.out
    assert "run this again with --replace" in refused.err
    assert unchanged == before
    assert done.code == 0, done.err
    assert config_file.read_text() == before + "lifetime = 600\n"
    assert f"{config_file}: changed demo\n" in done.out


def test_a_name_of_the_administrator_is_not_replaced(
    run: Run, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in another file, and the user's own would be an error there."""
    system = config_file.parents[2] / "system"
    system.mkdir()
    (system / "config.toml").write_text('[credentials.corp]\nprovider = "local"\n')
    found = msgspec.structs.replace(find_paths(environment()), system_config_dir=system)
    monkeypatch.setattr("credward.cli.add.adding.paths", lambda: found)
    ran = run("add", "corp", "--provider", "local", "--replace")

    assert ran.code == 64
    assert "not in your file: take another name" in ran.err


def test_a_program_is_written_with_its_full_path(
    run: Run, home: Path, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon has another PATH, and works in another directory."""
    tool = home / "tools/my-tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent))
    by_name = run("add", "one", "--provider", "command", "--", "my-tool", "my-tool")
    by_path = run("add", "two", "--", "tools/my-tool")

    assert by_name.code == by_path.code == 0, by_path.err
    added = tomllib.loads(config_file.read_text())["credentials"]
    assert added["one"]["command"] == [str(tool), "my-tool"]
    assert added["two"] == {"provider": "command", "command": [str(tool)]}


def test_words_that_are_missing_are_named(run: Run, config_file: Path) -> None:
    """Each error says what to write, or where that is."""
    no_provider = run("add", "x")
    no_value = run("add", "x", "--provider")
    no_pair = run("add", "x", "--provider", "local", "--set", "lifetime")

    assert no_provider.err.endswith("run credward add --help\n")
    assert no_value.err.endswith("run credward add --help\n")
    assert no_pair.err.endswith("is not KEY=VALUE: write --set lifetime=600\n")
    assert no_provider.code == no_value.code == no_pair.code == 64


def test_the_result_for_programs(run: Run, config_file: Path) -> None:
    """What was done, what failed, and what comes next."""
    done = json.loads(run("add", "x", "--provider", "local", "--json").out)

    assert done["added"]
    assert not done["replaced"]
    assert done["failure"]["kind"] == "not-running"
    assert done["next"] == "credward daemon start, then credward get x"


def test_dry_run_shows_and_stops(run: Run, config_file: Path) -> None:
    """A diff and no change."""
    before = config_file.read_text()
    ran = run("add", "y", "--provider", "local", "--dry-run")

    assert "+[credentials.y]" in ran.out
    assert config_file.read_text() == before


def test_a_file_without_a_last_line_end_stays_whole(run: Run, config_file: Path) -> None:
    """Values of any shape end their line, and so does the file."""
    config_file.write_text(config_file.read_text().rstrip("\n"))
    run("add", "x", "--provider", "local", "--set", "lifetime=600", "--set", 'audience="a"')
    ran = run("add", "y", "--provider", "static", "--set", 'secret={ store = "k" }')

    assert ran.code == 0, ran.err
    text = config_file.read_text()
    assert "# keep me\n\n[credentials.x]\n" in text
    assert '\n\n[credentials.y]\nprovider = "static"\nsecret = { store = "k" }\n' in text


def test_what_was_not_added_names_no_line_of_a_file_that_nobody_has(
    run: Run, config_file: Path
) -> None:
    """Checking the file would say that it is good."""
    ran = run("add", "x", "--provider", "oauth", "--set", "isuer=https://login.example.com")

    assert ran.code == 78
    assert ran.err.startswith('credward: "x" was not added, unknown key "isuer"')
    assert str(config_file) not in ran.err
    assert "config check" not in ran.err


def test_a_reference_that_is_refused_says_why(run: Run, config_file: Path) -> None:
    """It is no secret written out: a subscription login is refused with its reason, a typo with its word."""
    place = 'api_key={ file = "~/.claude/.credentials.json" }'
    refused = run("add", "x", "--provider", "anthropic", "--set", place)
    typo = run("add", "x", "--provider", "static", "--set", 'secret={ stoer = "k" }')

    assert "is a Claude.ai subscription login, which its terms allow" in refused.err
    assert 'unknown key "stoer", perhaps "store"' in typo.err
    assert refused.code == typo.code == 78
    assert "credentials.x" not in config_file.read_text()


def test_another_default_is_said(run: Run, config_file: Path) -> None:
    """What the agents got without a name was somebody's choice."""
    first = run("add", "one", "--provider", "local", "--default")
    second = run("add", "two", "--provider", "local", "--default")

    assert "the default is" not in first.out
    assert "the default is two now, it was one\n" in second.out
    assert 'default = "two"' in config_file.read_text()
