"""What Claude Code is told, and what would keep it from listening."""

from pathlib import Path

import pytest

from credward.cli.setup.claude_code import (
    active_helper,
    cache_time,
    kept_for,
    named_credential,
    ours,
    settings_environment,
    settings_paths,
    wanted,
    warnings,
)
from credward.config import CredentialConfig
from credward.settings.anthropic import Settings as AnthropicSettings
from credward.settings.local import Settings
from credward.settings.oauth import Settings as OAuthSettings
from credward.settings.references import Reference


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    found = settings_paths({"HOME": str(tmp_path / "home")}, tmp_path / "project")
    for path in found.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    return found


def credential(*base_urls: str) -> CredentialConfig:
    return CredentialConfig(
        name="gate way",
        provider="local",
        settings=Settings(),
        epoch="e",
        grant="g",
        base_urls=base_urls,
    )


def test_the_helper_is_quoted_and_the_ttl_is_in_milliseconds() -> None:
    """A path with spaces stays one word of the shell."""
    members = wanted(Path("/opt/my tools/credward-helper"), credential(), 240)

    assert members == {
        ("apiKeyHelper",): "exec '/opt/my tools/credward-helper' 'gate way'",
        ("env", "CLAUDE_CODE_API_KEY_HELPER_TTL_MS"): "240000",
    }
    assert (
        wanted(Path("/h"), credential("https://a.example"), 1)["env", "ANTHROPIC_BASE_URL"]
        == "https://a.example"
    )


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("exec '/opt/my tools/credward-helper' 'gate way'", "gate way"),
        ("/usr/bin/credward-helper gateway --format json", "gateway"),
        ("credward-helper", None),
        ("credward-helper -", None),
        ("credward-helper --format json gateway", None),
        ("credward-helper 'gateway", None),
    ],
)
def test_a_line_says_for_which_credential_it_is(line: str, name: str | None) -> None:
    """None where that takes more than a look: the helper itself is asked then."""
    assert named_credential(line) == name


def test_s15_where_claude_code_goes_by_itself_is_not_written() -> None:
    """The host that a key of the Claude API implies; another service is, also where it is implied."""
    api = AnthropicSettings(api_key=Reference(env="KEY")).implied_base_urls
    (gateway,) = OAuthSettings(
        issuer="https://idp.example", client_id="c", resource="https://llm.example"
    ).implied_base_urls

    assert ("env", "ANTHROPIC_BASE_URL") not in wanted(Path("/h"), credential(*api), 1)
    members = wanted(Path("/h"), credential(gateway), 1)
    assert members["env", "ANTHROPIC_BASE_URL"] == "https://llm.example"


@pytest.mark.parametrize(
    ("life", "kept"), [(None, 240), (86_400, 240), (960, 240), (120, 30), (59.9, 15), (3, 10)]
)
def test_g3_the_cache_time_follows_the_life_of_tokens(life: float | None, kept: int) -> None:
    """A quarter of it, so that half of what is left is never in the cache."""
    assert cache_time(life) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("240000", 240),
        ("0", 0),
        (None, 300),
        ("", 300),
        ("-1", 300),
        ("soon", 300),
        ("\u0663", 300),
    ],
)
def test_what_is_no_cache_time_is_the_default(text: str | None, kept: float) -> None:
    """As for Claude Code itself."""
    variables = {} if text is None else {"CLAUDE_CODE_API_KEY_HELPER_TTL_MS": text}

    assert kept_for(variables) == kept


def test_config_dir_moves_the_user_file(tmp_path: Path) -> None:
    """CLAUDE_CONFIG_DIR is honoured."""
    assert settings_paths({"CLAUDE_CONFIG_DIR": "/x"}, tmp_path)["user"] == Path("/x/settings.json")


def test_the_strongest_level_is_the_active_one(paths: dict[str, Path]) -> None:
    """Local over project over user."""
    paths["user"].write_text('{"apiKeyHelper": "exec /x/credward-helper"}')
    assert active_helper(paths) == ("exec /x/credward-helper", paths["user"])
    paths["project"].write_text('{"apiKeyHelper": "other"}')

    assert active_helper(paths) == ("other", paths["project"])
    assert ours("exec /x/credward-helper")
    assert not ours("other")
    assert not ours(None)


def test_rivals_are_named_by_place_without_their_values(
    paths: dict[str, Path], tmp_path: Path
) -> None:
    """Shell, settings `env`, shell files, a helper of the project."""
    (tmp_path / "home" / ".bashrc").write_text("export ANTHROPIC_API_KEY=canary-key\n")
    paths["user"].write_text('{"env": {"ANTHROPIC_AUTH_TOKEN": "canary-token"}}')
    paths["project"].write_text('{"apiKeyHelper": "other"}')
    environ = {"HOME": str(tmp_path / "home"), "ANTHROPIC_API_KEY": "canary-env"}
    found = list(warnings(environ, paths, paths["user"]))

    text = "\n".join(found)
    assert "ANTHROPIC_API_KEY is set in this shell" in text
    assert f"ANTHROPIC_AUTH_TOKEN is set in env of {paths['user']}" in text
    assert ".bashrc" in text
    assert f"{paths['project']} sets apiKeyHelper" in text
    assert "canary" not in text


def test_the_stronger_settings_decide_a_variable(paths: dict[str, Path]) -> None:
    """What is no text is no variable, and a broken file says nothing."""
    paths["user"].write_text('{"env": {"HTTPS_PROXY": "http://a", "NODE_EXTRA_CA_CERTS": 1}}')
    paths["project"].write_text("{broken")
    paths["local"].write_text('{"env": {"HTTPS_PROXY": ""}}')

    assert settings_environment(paths) == {"HTTPS_PROXY": ""}
