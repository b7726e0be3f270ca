"""`setup claude-code --env K=V`: what a guide tells people to set."""

import json
from pathlib import Path

import pytest

from unit.cli.conftest import Run
from unit.cli.setup.test_command import FILE, settings

__all__ = ["settings"]


def env_of(settings: Path) -> dict[str, str]:
    """Return what is set besides what each set-up sets."""
    env: dict[str, str] = json.loads(settings.read_text()).get("env", {})
    return {name: value for name, value in env.items() if not name.endswith("_TTL_MS")}


def test_variables_of_a_guide_stay_until_they_are_removed(run: Run, settings: Path) -> None:
    """A run without --env keeps them, K= removes one, --undo brings back what was there."""
    before = '{"env": {"ANTHROPIC_MODEL": "mine"}}'
    settings.write_text(before)
    two = ("--env", "ANTHROPIC_MODEL=a=b", "--env", "DISABLE_PROMPT_CACHING=1")
    run("setup", "claude-code", "demo", "--yes", *two)
    assert env_of(settings) == {"ANTHROPIC_MODEL": "a=b", "DISABLE_PROMPT_CACHING": "1"}
    run("setup", "claude-code", "demo", "--yes", "--ttl", "60")
    assert env_of(settings) == {"ANTHROPIC_MODEL": "a=b", "DISABLE_PROMPT_CACHING": "1"}
    run("setup", "claude-code", "demo", "--yes", "--env", "ANTHROPIC_MODEL=")
    assert env_of(settings) == {"ANTHROPIC_MODEL": "mine", "DISABLE_PROMPT_CACHING": "1"}
    run("setup", "claude-code", "--undo", "--yes")

    assert settings.read_text() == before


def test_a_variable_that_somebody_changed_since_then_is_theirs(run: Run, settings: Path) -> None:
    """The next run leaves it alone."""
    run("setup", "claude-code", "demo", "--yes", "--env", "ANTHROPIC_MODEL=a")
    settings.write_text(settings.read_text().replace('"a"', '"theirs"'))
    run("setup", "claude-code", "demo", "--yes", "--ttl", "60")

    assert env_of(settings) == {"ANTHROPIC_MODEL": "theirs"}
    assert run("setup", "claude-code", "demo", "--yes", "--env", "ANTHROPIC_MODEL=").code == 64


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        ("CLAUDE_CODE_API_KEY_HELPER_TTL_MS=1", "use --ttl SECONDS"),
        ("ANTHROPIC_BASE_URL=https://h", "run credward config edit"),
        ("ANTHROPIC_API_KEY=canary", "run credward add NAME --provider static"),
        ("ANTHROPIC_AUTH_TOKEN=", "run credward add NAME --provider static"),
        ("AWS_BEARER_TOKEN_BEDROCK=canary", "run credward add NAME --provider static"),
        ("HTTPS_PROXY=http://user:canary@h:1", "run credward add NAME --provider static"),
        ("ANTHROPIC_CUSTOM_HEADERS=x-api-key: canary", "run credward add NAME --provider static"),
        ("canary", "--env needs NAME=VALUE"),
        ("1canary=x", "--env needs NAME=VALUE"),
        ("ANTHROPIC_MODEL=", "remove it from the file yourself"),
    ],
)
def test_neither_a_secret_nor_what_is_ours_is_a_variable_of_a_guide(
    run: Run, settings: Path, word: str, instead: str
) -> None:
    """Refused with what to type instead, and never quoted."""
    ran = run("setup", "claude-code", "demo", "--yes", "--env", word)

    assert (ran.code, settings.read_text()) == (64, FILE)
    assert instead in ran.err
    assert "canary" not in ran.out + ran.err


def test_a_number_of_tokens_is_no_secret(run: Run, settings: Path) -> None:
    """Guides set these as well."""
    words = ("--env", "CLAUDE_CODE_MAX_OUTPUT_TOKENS=4096", "--env", "ANTHROPIC_SMALL_FAST_MODEL=h")
    run("setup", "claude-code", "demo", "--yes", *words)

    assert env_of(settings) == {
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "4096",
        "ANTHROPIC_SMALL_FAST_MODEL": "h",
    }
