"""Claude in Google's Vertex AI. Source: code.claude.com, "Claude Code on Google Vertex AI".

By the metadata endpoint, which google-auth asks by itself, or with the token that the helper gives.
"""

from __future__ import annotations

from credward.cli.setup.endpoints import endpoint_for, leading_to
from credward.cli.setup.ways.way import Asked, Way, needed

__all__ = ["vertex"]

_SWITCH, _SKIP = "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_SKIP_VERTEX_AUTH"
_PROJECT, _REGION = "ANTHROPIC_VERTEX_PROJECT_ID", "CLOUD_ML_REGION"
_BASE_URL = "ANTHROPIC_VERTEX_BASE_URL"
# google-auth takes this before it looks for a metadata server.
_FILE = "GOOGLE_APPLICATION_CREDENTIALS"


def vertex(asked: Asked) -> Way:
    """Return what leads to Vertex AI in project and region of the credential."""
    meaning = asked.credential.meaning
    project = needed(
        *("project", "--project PROJECT", asked),
        *(asked.project, meaning.project, asked.earlier.get(_PROJECT)),
    )
    region = needed(
        *("region", "--region REGION", asked),
        *(asked.region, meaning.region, asked.earlier.get(_REGION)),
    )
    variables = {_SWITCH: "1", _PROJECT: project, _REGION: region}
    bound = asked.credential.base_urls[0] if asked.credential.bound else None
    if base_url := asked.base_url or bound:
        variables[_BASE_URL] = base_url
    if asked.pass_through or asked.door == "helper":
        variables[_SKIP] = "1"
        return Way(variables=variables, helper=True)
    endpoint = endpoint_for(asked.config, asked.credential, ["gce"])
    variables |= leading_to(endpoint, asked.credential.name)
    return Way(variables=variables, rivals=(_FILE, _SKIP))
