"""Claude Code to Foundry: by the identity endpoint, else by the helper."""

from pathlib import Path

import pytest

from unit.cli.conftest import Run
from unit.cli.setup.rig import CONFIG, ENDPOINTS
from unit.cli.setup.ways.test_bedrock import settings


def test_the_helper_is_enough(run: Run, set_up_home: Path) -> None:
    """With the resource of the credential; a door with a secret is not for a settings file."""
    run("setup", "claude-code", "foundry", "--yes", "--json")
    found = settings(set_up_home)

    assert found["CLAUDE_CODE_USE_FOUNDRY"] == found["CLAUDE_CODE_SKIP_FOUNDRY_AUTH"] == "1"
    assert found["ANTHROPIC_FOUNDRY_RESOURCE"] == "my-res"
    assert found["apiKeyHelper"].endswith("credward-helper foundry")
    assert not found.keys() & {"IDENTITY_HEADER", "ANTHROPIC_FOUNDRY_BASE_URL"}


def test_an_endpoint_that_is_there_is_used(run: Run, set_up_home: Path) -> None:
    """The one without a secret, of which the credential is the first."""
    endpoints = ENDPOINTS.replace('credentials = ["arm", "foundry"]', 'credential = "foundry"')
    (set_up_home / "config/credward/config.toml").write_text(CONFIG + endpoints)
    run("setup", "claude-code", "foundry", "--yes", "--json")
    found = settings(set_up_home)

    assert found["AZURE_POD_IDENTITY_AUTHORITY_HOST"] == "http://127.0.0.1:9925"
    assert not found.keys() & {"apiKeyHelper", "CLAUDE_CODE_SKIP_FOUNDRY_AUTH"}
    run("setup", "claude-code", "foundry", "--with", "helper", "--yes", "--json")
    assert "apiKeyHelper" in settings(set_up_home)


def test_an_address_takes_the_place_of_the_resource(run: Run, set_up_home: Path) -> None:
    """Foundry takes one of the two."""
    url = "https://my-res.openai.azure.com/anthropic"
    run("setup", "claude-code", "foundry", "--base-url", url, "--yes", "--json")
    found = settings(set_up_home)

    assert found["ANTHROPIC_FOUNDRY_BASE_URL"] == url
    assert "ANTHROPIC_FOUNDRY_RESOURCE" not in found


@pytest.mark.parametrize("where", ["settings", "shell"])
def test_the_other_one_elsewhere_is_said(
    run: Run, set_up_home: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a settings file it is an error, in this shell a warning."""
    name = "ANTHROPIC_FOUNDRY_BASE_URL"
    file = set_up_home / ".claude/settings.json"
    file.parent.mkdir()
    file.write_text(f'{{"env": {{"{name}": "https://x"}}}}' if where == "settings" else "{}")
    if where == "shell":
        monkeypatch.setenv(name, "https://x")
    ran = run("setup", "claude-code", "foundry", "--yes")

    if where == "settings":
        assert ran.code == 64
        assert ran.err.startswith(f'credward: "{file}" sets {name}, which leads Claude Code ')
    else:
        assert f"warning: {name} is set here and leads Claude Code elsewhere: unset" in ran.out
        assert settings(set_up_home)["ANTHROPIC_FOUNDRY_RESOURCE"] == "my-res"


def test_an_old_claude_code_is_said(
    run: Run, set_up_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its skip flag did not work."""
    program = set_up_home / "bin/claude"
    for version, warned in (("2.1.197", True), ("2.1.329", False), ("2.2.0", False)):
        program.write_text(f"#!/bin/sh\necho '{version} (Claude Code)'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        ran = run("setup", "claude-code", "foundry", "--yes")
        assert (f"warning: Claude Code {version} may ignore the helper" in ran.out) == warned
        run("setup", "claude-code", "--undo", "--yes")
