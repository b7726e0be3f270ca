"""Which service a token is for, by the settings alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from credward.settings.meaning import meaning_of
from credward.settings.registry import SETTINGS
from credward.settings.services import Service

FEDERATION = {
    "federation_rule_id": "fdrl_1",
    "organization_id": "00000000-0000-4000-8000-000000000000",
    "identity": "other",
}
APPLICATION = {"tenant": "contoso.com", "client_id": "00000000-0000-4000-8000-000000000000"}
KEY = {"store": "key"}


@pytest.mark.parametrize(
    ("provider", "words", "service"),
    [
        ("aws", {"profile": "p"}, Service.AWS),
        ("aws", {"profile": "p", "derive": "bedrock-api-key", "region": "eu-west-1"}, Service.BEDROCK),
        ("aws", {"profile": "p", "derive": "ecr", "region": "eu-west-1"}, Service.REGISTRY),
        ("gcp", {}, Service.GOOGLE),
        ("gcp", {"token": "id", "audience": "https://x", "source": "metadata"}, None),
        ("anthropic", FEDERATION, Service.CLAUDE_LOGIN),
        ("anthropic", {"profile": "work"}, Service.CLAUDE_LOGIN),
        ("anthropic", {"api_key": KEY}, Service.CLAUDE),
        ("entra", APPLICATION | {"resource": "my-res"}, Service.FOUNDRY),
        ("entra", {"source": "az", "resource": "my-res"}, Service.FOUNDRY),
        ("entra", APPLICATION | {"scope": "https://ai.azure.com/.default"}, Service.FOUNDRY),
        ("entra", {"source": "az", "scope": "https://management.azure.com/.default"}, Service.MICROSOFT),
        ("entra", APPLICATION | {"scope": "User.Read"}, Service.MICROSOFT),
        ("entra", APPLICATION | {"scope": "https://vault.azure.net/.default"}, Service.MICROSOFT),
        ("entra", APPLICATION | {"scope": "api://litellm/.default"}, None),
        ("entra", APPLICATION | {"scope": "https://azure.com.example.com/.default"}, None),
        ("entra", APPLICATION | {"token": "id"}, None),
        ("vault", {}, Service.VAULT),
        ("vault", {"path": "secret/llm"}, None),
        ("oauth", {"issuer": "https://login.example.com", "client_id": "c"}, None),
        ("static", {"secret": KEY}, None),
        ("command", {"command": ["x"]}, None),
        ("local", {}, None),
    ],
)  # fmt: skip
def test_g8_what_the_token_is_for(
    provider: str, words: dict[str, Any], service: Service | None
) -> None:
    """G8: said by each provider's own settings; None: the base URL says."""
    assert meaning_of(msgspec.convert(words, SETTINGS[provider])).service is service
