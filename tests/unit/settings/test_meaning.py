"""What settings mean to the rest of the broker: hosts, times, what counts once; nothing by default."""

from __future__ import annotations

import msgspec
import pytest

from credward.settings import anthropic, aws, command, entra, gcp, local, oauth, static, vault
from credward.settings.meaning import Meaning, files_in, meaning_of
from credward.settings.references import Reference

KEY = Reference(env="KEY")
_ROLE = "arn:aws:iam::123456789012:role/a"
ACCOUNT = "agent@p.iam.gserviceaccount.com"
FEDERATION = {
    "federation_rule_id": "fdrl_1",
    "organization_id": "11111111-2222-3333-4444-555555555555",
    "identity_file": "/jwt",
}
CASES = {
    "foundry": (
        entra.Settings(source="az", resource="my-res"),
        (
            "https://my-res.services.ai.azure.com",
            "https://my-res.cognitiveservices.azure.com",
            "https://my-res.openai.azure.com",
        ),
    ),
    "an audience is no host": (
        entra.Settings(source="az", resource="https://vault.azure.net"),
        (),
    ),
    "bedrock": (
        aws.Settings(profile="p", region="eu-west-1", derive="bedrock-api-key"),
        (
            "https://bedrock-runtime.eu-west-1.amazonaws.com",
            "https://bedrock.eu-west-1.amazonaws.com",
            "https://bedrock-mantle.eu-west-1.api.aws",
        ),
    ),
    "claude platform": (
        aws.Settings(profile="p", region="us-east-1", derive="claude-platform-key"),
        ("https://aws-external-anthropic.us-east-1.api.aws",),
    ),
    "keys of aws": (aws.Settings(profile="p", region="eu-west-1"), ()),
    "registry": (
        aws.Settings(profile="p", region="eu-west-1", derive="ecr", registry="123456789012"),
        (),
    ),
    "vertex": (
        gcp.Settings(region="europe-west1"),
        ("https://europe-west1-aiplatform.googleapis.com",),
    ),
    "vertex global": (gcp.Settings(region="global"), ("https://aiplatform.googleapis.com",)),
    "vertex eu": (gcp.Settings(region="eu"), ("https://aiplatform.eu.rep.googleapis.com",)),
    "all of google": (gcp.Settings(impersonate_service_account=ACCOUNT), ()),
    "id token": (
        gcp.Settings(source="metadata", token="id", audience="https://x", region="eu"),
        (),
    ),
    "claude by key": (anthropic.Settings(api_key=KEY), ("https://api.anthropic.com",)),
    "claude by profile": (anthropic.Settings(profile="work"), ("https://api.anthropic.com",)),
    "claude by federation": (anthropic.Settings(**FEDERATION), ("https://api.anthropic.com",)),
    "federation elsewhere": (
        anthropic.Settings(
            **FEDERATION, token_url="https://claude.example.com:8443/v1/oauth/token"
        ),
        ("https://claude.example.com:8443",),
    ),
    "resource of oauth": (
        oauth.Settings(
            issuer="https://login.example.com",
            client_id="c",
            resource="https://mcp.example.com/mcp",
        ),
        ("https://mcp.example.com/mcp",),
    ),
    "resource that is no place": (
        oauth.Settings(issuer="https://login.example.com", client_id="c", resource="urn:x:y"),
        (),
    ),
    "token of vault": (
        vault.Settings(address="https://vault.example.com:8200"),
        ("https://vault.example.com:8200",),
    ),
    "secret in vault": (
        vault.Settings(address="https://vault.example.com:8200", path="secret/llm"),
        (),
    ),
    "static": (static.Settings(secret=KEY), ()),
}


@pytest.mark.parametrize(("settings", "wanted"), CASES.values(), ids=CASES)
def test_s15_what_names_one_service_implies_its_hosts(settings, wanted):
    """An audience, a scope or a project does not; the usual host comes first."""
    assert meaning_of(settings).base_urls == wanted


class Foreign(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of somebody else's provider, which say nothing of times."""


def test_the_limit_of_a_mint_is_the_settings_own() -> None:
    """Or the daemon's, where they have none."""
    assert meaning_of(command.Settings(command=("print-token",), timeout=7)).timeout == 7
    assert meaning_of(local.Settings()).timeout is None
    assert meaning_of(Foreign()).timeout is None


def test_how_long_a_token_lasts_is_said_in_either_word() -> None:
    """Or nothing is known before a mint."""
    role = aws.Settings(source_profile="base", role_arn=_ROLE, duration_seconds=900)

    assert meaning_of(local.Settings(lifetime=60)).lifetime == 60
    assert meaning_of(role).lifetime == 900
    assert meaning_of(command.Settings(command=("print-token",))).lifetime is None
    assert meaning_of(Foreign()).lifetime is None


def test_a_jwt_of_a_federation_counts_once() -> None:
    """A key does not, and what says nothing about it does not."""
    federated = anthropic.Settings(
        federation_rule_id="fdrl_x",
        organization_id="00000000-0000-0000-0000-000000000000",
        identity=KEY,
    )

    assert meaning_of(federated).presents_once
    assert not meaning_of(anthropic.Settings(api_key=KEY)).presents_once
    assert not meaning_of(static.Settings(secret=KEY)).presents_once


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A plug-in may have a setting of that name: what is written there means nothing to us."""

    meaning: str = "life"


def test_who_says_nothing_has_the_defaults() -> None:
    """No attribute is looked for by its name."""
    assert meaning_of(Foreign()) == meaning_of(Named()) == Meaning()


def test_files_are_those_of_references_and_those_that_are_named() -> None:
    """Each once, as they are written."""
    settings = anthropic.Settings(**{**FEDERATION, "identity_file": "~/jwt"})

    assert files_in(settings) == ("~/jwt",)
    assert files_in(static.Settings(secret=Reference(file="/key"))) == ("/key",)
