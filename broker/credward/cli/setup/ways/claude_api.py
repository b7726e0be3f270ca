"""The Claude API with a token that is not a key. Source: code.claude.com, "Authentication".

Claude Code sends a helper's token without the header that such a token needs, so it gets a profile,
which a sink keeps fresh.
"""

from __future__ import annotations

from credward.cli.setup.profiles import profile_for
from credward.cli.setup.ways.way import Asked, Way

__all__ = ["claude_api"]

# They count before a profile.
_RIVALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")


def claude_api(asked: Asked) -> Way:
    """Return what leads to the Claude API with the profile of the credential."""
    profile = profile_for(asked.config, asked.credential)
    return Way(variables=profile.variables, rivals=_RIVALS)
