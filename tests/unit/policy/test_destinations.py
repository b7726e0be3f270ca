"""Where Claude Code goes under its variables."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from credward.policy.destinations import (
    CLIENTS,
    VARIABLES,
    Client,
    Destination,
    Values,
    claimed,
    destinations,
    in_use,
    trimmed,
)

API = "https://api.anthropic.com"


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, API),
        ({"ANTHROPIC_BASE_URL": ""}, API),
        ({"ANTHROPIC_BASE_URL": "https://gw.example"}, "https://gw.example"),
        (
            {"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_DEFAULT_REGION": "eu-west-1"},
            "https://bedrock-runtime.eu-west-1.amazonaws.com",
        ),
        (
            {"CLAUDE_CODE_USE_BEDROCK": " YES ", "AWS_REGION": "a", "AWS_DEFAULT_REGION": "b"},
            "https://bedrock-runtime.a.amazonaws.com",
        ),
        ({"CLAUDE_CODE_USE_BEDROCK": "1"}, None),
        ({"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": "evil.com/#"}, None),
        ({"CLAUDE_CODE_USE_BEDROCK": "0", "AWS_REGION": "a"}, API),
        (
            {"CLAUDE_CODE_USE_FOUNDRY": "true", "ANTHROPIC_FOUNDRY_RESOURCE": "my-res"},
            "https://my-res.services.ai.azure.com",
        ),
        (
            {"CLAUDE_CODE_USE_VERTEX": "1", "CLOUD_ML_REGION": "europe-west1"},
            "https://europe-west1-aiplatform.googleapis.com",
        ),
        (
            {"CLAUDE_CODE_USE_VERTEX": "1", "CLOUD_ML_REGION": "global"},
            "https://aiplatform.googleapis.com",
        ),
        (
            {"CLAUDE_CODE_USE_MANTLE": "1", "AWS_REGION": "us-east-1"},
            "https://bedrock-mantle.us-east-1.api.aws",
        ),
        (
            {"CLAUDE_CODE_USE_ANTHROPIC_AWS": "1", "AWS_REGION": "us-east-1"},
            "https://aws-external-anthropic.us-east-1.api.aws",
        ),
        ({"CLAUDE_CODE_USE_GATEWAY": "1"}, None),
        ({"CLAUDE_CODE_USE_BEDROCK": "1", "CLAUDE_CODE_USE_VERTEX": "1"}, None),
        ({"AWS_ENDPOINT_URL": "http://localhost:4566", "VERTEX_REGION_X": "x"}, API),
    ],
)
def test_what_an_environment_says(environ: dict[str, str], address: str | None) -> None:
    """One address, or none where it names two clouds or one whose address is not known."""
    assert claimed(environ) == address


def addresses(client: Client, values: Values) -> set[str | None]:
    return {each.address for each in destinations(client, values)}


def test_a_variable_may_have_several_values() -> None:
    """Every address that may come of it, and the default where it may be unset."""
    possible: dict[str, Collection[str]] = {
        "CLAUDE_CODE_USE_BEDROCK": ("", "1"),
        "ANTHROPIC_BEDROCK_BASE_URL": ("", "https://gw.example"),
        "AWS_REGION": ("a", "b"),
        "AWS_DEFAULT_REGION": ("c",),
        "ANTHROPIC_SMALL_FAST_MODEL_AWS_REGION": ("d",),
    }

    def values(name: str) -> Collection[str]:
        return possible.get(name, ("",))

    plain, bedrock = in_use(values)

    assert (plain.switch, bedrock.switch) == ("", "CLAUDE_CODE_USE_BEDROCK")
    assert addresses(plain, values) == {API}
    assert addresses(bedrock, values) == {
        "https://gw.example",
        *(f"https://bedrock-runtime.{region}.amazonaws.com" for region in "abd"),
    }
    possible["ANTHROPIC_BEDROCK_BASE_URL"] = ("https://gw.example",)
    possible["CLAUDE_CODE_USE_BEDROCK"] = ("1",)
    assert in_use(values) == [bedrock]
    assert addresses(bedrock, values) == {"https://gw.example"}


def test_s2_each_address_says_what_decides_it() -> None:
    """A variable with its value, or nothing where it is the default."""
    bedrock = next(each for each in CLIENTS if each.switch == "CLAUDE_CODE_USE_BEDROCK")
    set_here = {"AWS_REGION": ("", "a/b"), "AWS_DEFAULT_REGION": ("",)}

    def values(name: str) -> Collection[str]:
        return set_here.get(name, ("",))

    assert list(destinations(bedrock, values)) == [
        Destination(client=bedrock, address=None, variable="AWS_REGION", value="a/b"),
        Destination(client=bedrock, address=None),
    ]
    assert list(destinations(CLIENTS[0], values)) == [Destination(client=CLIENTS[0], address=API)]


def test_s2_of_what_is_not_known_nothing_is_said() -> None:
    """Without a switch's value the client without a cloud is not sure either; nor a default, without a URL's."""
    environ = {"CLAUDE_CODE_USE_FOUNDRY": "1", "ANTHROPIC_FOUNDRY_RESOURCE": "mine"}
    unknown = {"CLAUDE_CODE_USE_BEDROCK"}

    def values(name: str) -> Collection[str]:
        return () if name in unknown else (environ.get(name, ""),)

    (foundry,) = in_use(values)
    assert addresses(foundry, values) == {"https://mine.services.ai.azure.com"}
    unknown.add("ANTHROPIC_FOUNDRY_BASE_URL")
    assert addresses(foundry, values) == set()
    unknown.add("CLAUDE_CODE_USE_FOUNDRY")
    assert in_use(values) == []


def test_s2_white_space_is_what_javascript_takes_for_it() -> None:
    """Every character for which `trim` was seen to leave nothing (node 20), and no other one."""
    seen = {*range(0x9, 0xE), 0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029}
    seen |= {0x202F, 0x205F, 0x3000, 0xFEFF}

    assert {point for point in range(0x110000) if not trimmed(chr(point))} == seen
    assert trimmed("\ufeff\u2028 a b\t") == "a b"


def test_what_is_handed_over_of_an_environment() -> None:
    """All that decides, and no more: what else is set in one is nobody's business."""
    assert set(VARIABLES) < {name for each in CLIENTS for name in each.names}
    assert not [name for name in VARIABLES if "KEY" in name or "TOKEN" in name]
