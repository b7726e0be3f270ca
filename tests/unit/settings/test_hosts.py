"""The hosts that settings imply."""

from __future__ import annotations

import pytest

from credward.settings import anthropic, aws, entra, gcp, oauth, static, vault
from credward.settings.hosts import implied_base_urls
from credward.settings.references import Reference

KEY = Reference(env="KEY")
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
    assert implied_base_urls(settings) == wanted
