"""Claude in Microsoft Foundry. Source: code.claude.com, "Claude Code on Microsoft Foundry".

By the endpoint of a managed identity, or, as long as none is configured, with the token that the
helper gives.
"""

from __future__ import annotations

from credward.cli.setup.endpoints import endpoint_for, find_endpoint, leading_to
from credward.cli.setup.ways.way import Asked, Way, needed
from credward.settings import entra

__all__ = ["foundry"]

_SWITCH, _SKIP = "CLAUDE_CODE_USE_FOUNDRY", "CLAUDE_CODE_SKIP_FOUNDRY_AUTH"
RESOURCE, BASE_URL = "ANTHROPIC_FOUNDRY_RESOURCE", "ANTHROPIC_FOUNDRY_BASE_URL"
# Claude Code sends these before it asks anybody, the second one from 2.1.203 on.
_KEYS = ("ANTHROPIC_FOUNDRY_API_KEY", "ANTHROPIC_FOUNDRY_AUTH_TOKEN")
# In 2.1.197 the skip flag did not work; with this one it was seen to.
_OLDEST_WITH_HELPER = "2.1.329"
# azure-identity takes a client secret before a managed identity.
_STRONGER = ("AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE")


def foundry(asked: Asked) -> Way:
    """Return what leads to the Foundry resource of the credential, or to another address of it."""
    settings = asked.credential.settings
    assert isinstance(settings, entra.Settings)
    bound = asked.credential.base_urls[0] if asked.credential.bound else None
    variables, other = {_SWITCH: "1"}, RESOURCE
    if base_url := asked.base_url or bound:
        variables[BASE_URL] = base_url
    else:
        resource = settings.resource if settings.foundry else None
        variables[RESOURCE] = needed("resource", "--base-url URL", asked, resource)
        other = BASE_URL
    # The identity of the App Service has a secret, which must not be in a settings file.
    endpoint = find_endpoint(asked.config, asked.credential, ["azure-imds"])
    if asked.door == "azure-imds":
        endpoint = endpoint_for(asked.config, asked.credential, ["azure-imds"])
    if endpoint is None or asked.door == "helper":
        variables[_SKIP] = "1"
        return Way(
            variables=variables, helper=True, rivals=(other, *_KEYS), oldest=_OLDEST_WITH_HELPER
        )
    variables |= leading_to(endpoint, asked.credential.name)
    return Way(variables=variables, rivals=(other, *_KEYS, *_STRONGER, _SKIP))
