"""Claude Code to Bedrock: by a profile, by the container endpoint, by a short-term key."""

import json
from pathlib import Path

import pytest

from unit.cli.conftest import Run
from unit.cli.setup.rig import tree


def settings(home: Path) -> dict[str, str]:
    """Return what the user's settings of Claude Code hold, flat."""
    found = json.loads((home / ".claude/settings.json").read_text())
    return {**found.pop("env"), **found}


def test_a_profile_is_made_for_it(run: Run, set_up_home: Path) -> None:
    """Both files are shown, written and undone together."""
    was = tree(set_up_home)
    ran = run("setup", "claude-code", "bedrock", "--yes")
    again = json.loads(run("setup", "claude-code", "bedrock", "--yes", "--json").out)
    config = (set_up_home / ".aws/config").read_text()
    assert settings(set_up_home) == {
        "CLAUDE_CODE_USE_BEDROCK": "1",
        "AWS_REGION": "eu-central-1",
        "AWS_PROFILE": "credward-bedrock",
    }
    assert "credward-helper --format aws-process bedrock\nregion = eu-central-1\n" in config
    assert "+[profile credward-bedrock]" in ran.out
    assert "does not read them" in ran.out or "do not read them" in ran.out
    assert [each["changed"] for each in again["files"]] == [False, False]
    undone = run("setup", "claude-code", "--undo", "--yes")

    assert undone.code == 0
    assert tree(set_up_home) == was


def test_another_file_of_aws_is_named(
    run: Run, set_up_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell that ends takes its variable along."""
    monkeypatch.setenv("AWS_CONFIG_FILE", "~/aws.ini")
    run("setup", "claude-code", "bedrock", "--yes", "--json")

    assert settings(set_up_home)["AWS_CONFIG_FILE"] == str(set_up_home / "aws.ini")
    assert "credward-bedrock" in (set_up_home / "aws.ini").read_text()


def test_the_region_is_asked_for_once(run: Run, set_up_home: Path) -> None:
    """What a former run wrote is kept; without one it is missing."""
    missing = run("setup", "claude-code", "plain", "--yes")
    run("setup", "claude-code", "plain", "--yes", "--json", "--region", "us-west-2")
    run("setup", "claude-code", "plain", "--yes", "--json")

    assert missing.code == 64
    assert '"plain" has no region: add --region REGION' in missing.err
    assert settings(set_up_home)["AWS_REGION"] == "us-west-2"


def test_the_container_endpoint_needs_no_other_file(run: Run, set_up_home: Path) -> None:
    """The file of its secret is named."""
    run("setup", "claude-code", "bedrock", "--with", "aws-container", "--yes", "--json")
    found = settings(set_up_home)

    assert found["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://127.0.0.1:9923/"
    assert found["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"].endswith("aws-container-9923.token")
    assert "AWS_PROFILE" not in found
    assert not (set_up_home / ".aws").exists()


def test_another_way_takes_the_first_one_back(run: Run, set_up_home: Path) -> None:
    """Else the profile would stay that nobody uses."""
    run("setup", "claude-code", "bedrock", "--yes", "--json")
    run("setup", "claude-code", "gateway", "--yes", "--json")
    found = settings(set_up_home)

    assert found["ANTHROPIC_BASE_URL"] == "https://llm.example.com"
    assert not found.keys() & {"CLAUDE_CODE_USE_BEDROCK", "AWS_PROFILE", "AWS_REGION"}
    assert not (set_up_home / ".aws").exists()


def test_a_short_term_key_comes_from_the_helper(run: Run, set_up_home: Path) -> None:
    """AWS_BEARER_TOKEN_BEDROCK would be read once."""
    run("setup", "claude-code", "short", "--yes", "--json")
    found = settings(set_up_home)

    assert found["CLAUDE_CODE_SKIP_BEDROCK_AUTH"] == found["CLAUDE_CODE_USE_BEDROCK"] == "1"
    assert found["apiKeyHelper"].endswith("credward-helper short")
    assert found["AWS_REGION"] == "us-east-1"


@pytest.mark.parametrize("small", [False, True])
def test_a_model_of_another_region_is_refused(run: Run, set_up_home: Path, small: bool) -> None:
    """An ARN names its region."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude"
    option = "--small-model" if small else "--model"
    ran = run("setup", "claude-code", "bedrock", option, arn, "--yes")
    run("setup", "claude-code", "bedrock", option, arn, "--yes", "--json", "--region", "us-east-1")
    name = "ANTHROPIC_DEFAULT_HAIKU_MODEL" if small else "ANTHROPIC_MODEL"

    assert ran.code == 64
    assert f"{name} is a model in us-east-1, and AWS_REGION is eu-central-1: add --reg" in ran.err
    assert settings(set_up_home)[name] == arn
