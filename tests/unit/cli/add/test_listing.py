"""`credward add` without arguments: what could be added on this machine."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path

import msgspec
import pytest

from canaries import MARK, canary
from credward.settings.entra import Settings
from credward.settings.meaning import meaning_of
from unit.cli.conftest import Run


def test_makes_a_private_file_that_is_good(run: Run, home: Path) -> None:
    """0600, and `config check` agrees with it."""
    ran = run("add")
    made = home / "config/credward/config.toml"

    assert ran.code == 0
    assert made.stat().st_mode & 0o777 == 0o600
    assert run("config", "check").code == 0


def test_never_overwrites(run: Run, config_file: Path) -> None:
    """Running it again changes nothing."""
    before = config_file.read_text()
    ran = run("add")

    assert ran.code == 0
    assert config_file.read_text() == before


def commands(shown: str) -> list[str]:
    """Return the command lines that it shows."""
    return [line.strip() for line in shown.splitlines() if line.startswith("  credward ")]


def install(home: Path, monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    """Have nothing but these programs on PATH."""
    (home / "bin").mkdir()
    for name in programs:
        tool = home / "bin" / name
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(home / "bin"))
    monkeypatch.delenv("VAULT_ADDR", raising=False)


def test_says_what_comes_next(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First what works on any machine, as it is typed."""
    install(home, monkeypatch)
    first, *others = commands(run("add").out)

    assert first == "credward add demo --provider local"
    assert len(others) == 2
    added = run(*shlex.split(first)[1:])
    assert added.code == 0, added.err
    # What is there already is not proposed again.
    assert commands(run("add").out) == others


def test_what_is_found_is_added_by_the_command_shown(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them, as it stands but for what is in capitals."""
    install(home, monkeypatch, "az", "gcloud")
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example.com")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://llm.example.com")
    (home / ".aws").mkdir()
    (home / ".aws/config").write_text("[default]\n")
    (home / ".config/gcloud").mkdir(parents=True)
    (home / ".config/gcloud/application_default_credentials.json").write_text("{}")
    shown = run("add").out
    *found, _, _, _ = commands(shown)

    assert "found the Azure CLI" in shown
    assert [line.split()[2] for line in found] == ["gateway-az", "aws", "google", "kv", "gateway"]
    for line in found:
        filled = line.replace("=URL", "=https://login.example.com").replace("=ID", "=client")
        added = run(*shlex.split(filled)[1:])
        assert added.code == 0, (line, added.err)
    assert run("config", "check").code == 0
    assert len(commands(run("add").out)) == 2


def test_g8_what_no_agent_can_use_is_not_proposed(
    run: Run, home: Path, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G8: neither a token for Azure itself nor one of Google behind a program's name."""
    install(home, monkeypatch, "az", "gcloud")
    shown = run("add").out

    assert "management.azure.com" not in shown
    assert "print-access-token" not in shown
    (line,) = [each for each in commands(shown) if "source=az" in each]
    assert run(*shlex.split(line)[1:]).code == 0
    added = tomllib.loads(config_file.read_text())
    settings = msgspec.convert(
        {k: v for k, v in added["credentials"]["gateway-az"].items() if k != "provider"}, Settings
    )
    assert meaning_of(settings).service is None


def test_nothing_of_the_environment_reaches_the_terminal_as_it_is(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command to be copied has no hidden words in it."""
    install(home, monkeypatch)
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example.com\n  credward logout --all")
    assert "vault" not in run("add").out
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example.com/;rm -r x")
    line = commands(run("add").out)[0]
    assert "--set 'address=https://vault.example.com/;rm -r x'" in line


def test_keys_and_programs_are_listed_without_their_secrets(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with the commands that take it over; a key never stands in one."""
    install(home, monkeypatch, "get-key")
    key = canary("listed")
    (home / ".zshrc").write_text(f"export ANTHROPIC_AUTH_TOKEN={key}\n")
    (home / ".aws").mkdir()
    (home / ".aws/credentials").write_text(
        f"[work]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = {key}\n"
    )
    (home / ".claude").mkdir()
    (home / ".claude/settings.json").write_text('{"apiKeyHelper": "get-key"}')
    text, as_json = run("add"), run("add", "--json")
    listed = {each["what"]: each["command"] for each in json.loads(as_json.out)["found"]}

    assert MARK not in text.out + text.err + as_json.out
    assert [*listed.values()] == [
        f"credward add gateway --provider command --set lifetime=300 -- {home}/bin/get-key",
        (
            "credward secret set gateway-key && "
            "credward add gateway --provider static --set 'secret={ store = \"gateway-key\" }'"
        ),
        "credward add aws --provider aws --set profile=work",
        (
            "credward secret set aws-work-key && "
            "credward add aws-work --provider aws --set 'source={ store = \"aws-work-key\" }'"
        ),
    ]
    assert f"ANTHROPIC_AUTH_TOKEN in {home}/.zshrc:1" in listed


def test_proposes_an_aws_profile_that_is_there(run: Run, home: Path) -> None:
    """Not every machine has one called default, and a session is no profile."""
    (home / ".aws").mkdir()
    (home / ".aws/config").write_text("[sso-session corp]\n[profile bedrock]\n[profile other]\n")
    named = run("add").out
    (home / ".aws/credentials").write_text("[default]\n")
    default = run("add").out
    (home / ".aws/credentials").unlink()
    (home / ".aws/config").write_text("[sso-session corp]\n")
    session = run("add").out

    assert "--set profile=bedrock" in named
    assert "--set profile=default" in default
    assert "AWS profiles" not in session
    assert "--set sso_session=corp" in session


def test_a_secret_in_the_line_of_a_tool_is_not_printed(run: Run, home: Path) -> None:
    """The program can be taken over in the dialogue."""
    settings = home / ".claude/settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    line = f"curl -s -u me:{canary('tool')} https://id.example.com/token"
    settings.write_text(json.dumps({"apiKeyHelper": line}))
    ran = run("add")

    assert "https://id.example.com/token" in ran.out
    assert MARK not in ran.out + ran.err
