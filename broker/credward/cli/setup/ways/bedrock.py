"""Claude in Amazon Bedrock. Source: code.claude.com, "Claude Code on Amazon Bedrock".

By a profile that runs the helper, by the container endpoint, or with a short-term key that the
helper gives: AWS_BEARER_TOKEN_BEDROCK is read once, so nothing could renew it.
"""

from __future__ import annotations

from credward.cli.setup import aws
from credward.cli.setup.endpoints import endpoint_for, leading_to
from credward.cli.setup.ways.way import Asked, Way, needed
from credward.settings.services import Service

__all__ = ["bedrock"]

_SWITCH, _SKIP = "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_SKIP_BEDROCK_AUTH"
_BASE_URL = "ANTHROPIC_BEDROCK_BASE_URL"
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN")
_BEARER = "AWS_BEARER_TOKEN_BEDROCK"


def bedrock(asked: Asked) -> Way:
    """Return what leads to Bedrock in the region of the credential."""
    meaning = asked.credential.meaning
    region = needed(
        *("region", "--region REGION", asked),
        *(asked.region, meaning.region, asked.earlier.get("AWS_REGION")),
    )
    variables = {_SWITCH: "1", "AWS_REGION": region}
    if asked.base_url:
        variables[_BASE_URL] = asked.base_url
    if asked.pass_through or meaning.service is Service.BEDROCK:
        variables[_SKIP] = "1"
        return Way(variables=variables, helper=True, rivals=(_BEARER,))
    aws.check_keys(asked.credential)
    if asked.door == "aws-container":
        endpoint = endpoint_for(asked.config, asked.credential, ["aws-container"])
        variables |= leading_to(endpoint, asked.credential.name)
        return Way(variables=variables, rivals=(*_KEYS, _BEARER, "AWS_PROFILE", _SKIP))
    profile = aws.profile_of(asked.credential.name)
    variables["AWS_PROFILE"] = profile
    if asked.environ.get("AWS_CONFIG_FILE"):
        # Else only a Claude Code that is started from this shell would find the profile.
        variables["AWS_CONFIG_FILE"] = str(aws.config_file(asked.environ))
    wish = aws.profile_wish(
        asked.credential, asked.environ, asked.owner, profile=profile, region=region
    )
    return Way(variables=variables, files=(wish,), rivals=(*_KEYS, _BEARER, _SKIP))
