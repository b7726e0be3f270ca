"""Which way a credential has, and which options say nothing for it."""

from pathlib import Path

import pytest

from unit.cli.conftest import Run
from unit.cli.setup.ways.test_bedrock import settings


@pytest.mark.parametrize(
    ("cloud", "more", "expected"),
    [
        (
            "bedrock",
            ["--region", "eu-west-1"],
            {
                "CLAUDE_CODE_USE_BEDROCK": "1",
                "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1",
                "ANTHROPIC_BEDROCK_BASE_URL": "https://llm.example.com/bedrock",
                "AWS_REGION": "eu-west-1",
            },
        ),
        (
            "vertex",
            ["--region", "global", "--project", "p"],
            {
                "CLAUDE_CODE_USE_VERTEX": "1",
                "CLAUDE_CODE_SKIP_VERTEX_AUTH": "1",
                "ANTHROPIC_VERTEX_BASE_URL": "https://llm.example.com/vertex_ai/v1",
                "ANTHROPIC_VERTEX_PROJECT_ID": "p",
                "CLOUD_ML_REGION": "global",
            },
        ),
    ],
)
def test_a_gateway_passes_the_protocol_of_a_cloud_on(
    run: Run, set_up_home: Path, cloud: str, more: list[str], expected: dict[str, str]
) -> None:
    """With the gateway's own token, which the helper gives."""
    run("setup", "claude-code", "gateway", "--pass-through", cloud, *more, "--yes", "--json")
    found = settings(set_up_home)

    assert {name: found[name] for name in expected} == expected
    assert found["apiKeyHelper"].endswith("credward-helper gateway")
    assert "ANTHROPIC_BASE_URL" not in found


def test_another_path_of_the_gateway_is_named_whole(run: Run, set_up_home: Path) -> None:
    """Its administrator may have moved it."""
    url = "https://llm.example.com/aws"
    words = ["--pass-through", "bedrock", "--region", "eu-west-1", "--base-url", url]
    run("setup", "claude-code", "gateway", *words, "--yes", "--json")

    assert settings(set_up_home)["ANTHROPIC_BEDROCK_BASE_URL"] == url


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gateway", "--region", "eu-west-1"], "--region does not fit"),
        (["gateway", "--with", "helper"], "--with helper does not fit"),
        (["bedrock", "--with", "azure-imds"], "--with azure-imds does not fit"),
        (["bedrock", "--project", "p"], "--project does not fit"),
        (["foundry", "--region", "r"], "--region does not fit"),
        (["claude", "--base-url", "https://x"], "--base-url does not fit"),
        (["key", "--pass-through", "bedrock", "--region", "a"], "--pass-through does not fit"),
        (["bedrock", "--pass-through", "bedrock"], "--pass-through does not fit"),
        (["bedrock", "--ttl", "60"], "--ttl is for a helper"),
        (["bedrock", "--env", "AWS_PROFILE=x"], "AWS_PROFILE is set by credward"),
        (["bedrock", "--env", "AWS_REGION=x"], "use --region REGION"),
    ],
)
def test_what_says_nothing_is_refused(
    run: Run, set_up_home: Path, words: list[str], said: str
) -> None:
    """Rather than left out in silence."""
    ran = run("setup", "claude-code", *words, "--yes")

    assert ran.code == 64
    assert said in ran.err
    assert not (set_up_home / ".claude").exists()


def test_paths_of_this_machine_are_not_for_everyone(
    run: Run, set_up_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who clones the repository has other ports and another home."""
    folder = set_up_home / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    ran = run("setup", "claude-code", "bedrock", "--level", "project", "--yes")

    assert ran.code == 64
    assert "use --level local" in ran.err
    assert list(folder.iterdir()) == []


def test_managed_settings_are_printed(run: Run, set_up_home: Path) -> None:
    """For an administrator, with what each user needs besides."""
    ran = run("setup", "claude-code", "bedrock", "--managed")
    endpoint = run("setup", "claude-code", "vertex", "--managed")

    assert '"AWS_PROFILE": "credward-bedrock"' in ran.out
    assert ran.err.endswith("and the profile of credward setup aws bedrock\n")
    assert endpoint.err.endswith("and the same endpoint or sink in the configuration\n")
    assert not (set_up_home / ".claude").exists()


def test_a_gateway_without_an_address_is_refused(run: Run, set_up_home: Path) -> None:
    """Nobody could tell where it is; an address that is named is enough."""
    config = set_up_home / "config/credward/config.toml"
    config.write_text('[credentials.bare]\nprovider = "static"\nsecret = { store = "s" }\n')
    words = ["setup", "claude-code", "bare", "--pass-through", "bedrock", "--region", "eu-west-1"]
    refused = run(*words, "--yes")
    named = run(*words, "--yes", "--json", "--base-url", "https://llm.example/aws")

    assert refused.code == 64
    assert '"bare" has no base_url, the address of the gateway' in refused.err
    assert named.code == 0
