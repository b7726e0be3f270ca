"""What Claude Code is told, and what would keep it from listening."""

import re
from pathlib import Path

import pytest

from credward.cli.setup.claude_code import (
    HelperCall,
    base_url_of,
    cache_time,
    helper_call,
    helper_members,
    kept_for,
    ours,
    settings_environment,
    settings_paths,
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
    members = helper_members(Path("/opt/my tools/credward-helper"), "gate way", 240)

    assert members == {
        ("apiKeyHelper",): "exec '/opt/my tools/credward-helper' 'gate way'",
        ("env", "CLAUDE_CODE_API_KEY_HELPER_TTL_MS"): "240000",
    }
    assert base_url_of(credential("https://a.example")) == "https://a.example"


@pytest.fixture
def helper(tmp_path: Path) -> Path:
    found = tmp_path / "my tools/credward-helper"
    found.parent.mkdir()
    found.touch(mode=0o755)
    return found


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("exec 'HELPER' 'gate way'", "gate way"),
        ("'HELPER' gateway --format json", "gateway"),
        ("'HELPER'", "-"),
        ("'HELPER' -", "-"),
        ("'HELPER' --no-start", "-"),
        ("'HELPER' --format=token --timeout 3 -- gateway", "gateway"),
    ],
)
def test_a_line_says_for_which_credential_it_is(helper: Path, line: str, name: str) -> None:
    """As the helper reads it, options before it or behind."""
    call = helper_call(line.replace("HELPER", str(helper)), helper)

    assert call is not None
    assert (call.words[0], call.name) == (str(helper), name)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "exec",
        "touch x; 'HELPER' gateway",
        "touch x; true credward-helper",
        "X=1 'HELPER' gateway",
        "sh -c \"'HELPER' gateway\"",
        "'HELPER' gateway && touch x",
        "'HELPER' gateway > file",
        "'HELPER'\ngateway",
        "'HELPER' --timeout 3;id gateway",
        "'HELPER' --base-url=$(touch${IFS}x) gateway",
        "'HELPER' '$(id)'",
        "'HELPER' --base-url 'a\ud800' gateway",
        "'HELPER' --base-url 'a\0' gateway",
        "'HELPER' gateway 'and more",
        "'HELPER' --unknown gateway",
        "credward-helper gateway",
        "./credward-helper gateway",
        "HELPER gateway",
    ],
)
def test_a_line_that_does_more_than_call_the_helper_is_no_call(helper: Path, line: str) -> None:
    """It may be a repository's: nobody has said yet that it may be run."""
    assert helper_call(line.replace("HELPER", str(helper)), helper) is None


def test_a_call_is_tried_as_words(helper: Path) -> None:
    """By the path that was looked at, whatever the line calls it."""
    link = helper.parent / "link"
    link.symlink_to(helper)
    call = helper_call(f"exec '{link}' 'gate way' --format='a b'", helper)

    assert call == HelperCall(words=(str(helper), "gate way", "--format=a b"), name="gate way")


def test_every_option_of_the_helper_may_be_in_a_call(helper: Path) -> None:
    """Those that its help names, but for the ones that print something else."""
    usage = Path(__file__).parents[3] / "transcripts/helper_command_line.txt"
    options = re.findall(
        r"^out   (--(?!check|status)[a-z-]+)( [A-Z]+)? ", usage.read_text(), re.MULTILINE
    )
    assert ("--cache-ttl", " S") in options
    for option, value in options:
        call = helper_call(f"'{helper}' {option}{' 5' if value else ''} gateway", helper)
        assert call is not None, option
        assert call.name == "gateway"


def test_s15_where_claude_code_goes_by_itself_is_not_written() -> None:
    """The host that a key of the Claude API implies; another service is, also where it is implied."""
    api = AnthropicSettings(api_key=Reference(env="KEY")).meaning.base_urls
    (gateway,) = OAuthSettings(
        issuer="https://idp.example", client_id="c", resource="https://llm.example"
    ).meaning.base_urls

    assert base_url_of(credential(*api)) is None
    assert base_url_of(credential(gateway)) == "https://llm.example"


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


def test_the_stronger_settings_decide_a_variable(paths: dict[str, Path]) -> None:
    """What is no text is no variable, and a broken file says nothing."""
    paths["user"].write_text('{"env": {"HTTPS_PROXY": "http://a", "NODE_EXTRA_CA_CERTS": 1}}')
    paths["project"].write_text("{broken")
    paths["local"].write_text('{"env": {"HTTPS_PROXY": ""}}')

    assert settings_environment(paths) == {"HTTPS_PROXY": ""}


def test_a_line_is_ours_by_its_program() -> None:
    """Wherever it lies."""
    assert ours("exec /x/credward-helper")
    assert not ours("other")
    assert not ours(None)
