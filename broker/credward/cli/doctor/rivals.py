"""Keys in the environment that Claude Code sends in place of what its helper printed.

The helper's token goes into two headers, and each of these variables replaces one of them (observed
with 2.1.332): which one a gateway reads decides whether it notices.
"""

from __future__ import annotations

__all__ = ["RIVALS", "sent_instead"]

# By variable, the header whose value it replaces.
RIVALS = {"ANTHROPIC_API_KEY": "x-api-key", "ANTHROPIC_AUTH_TOKEN": "Authorization"}


def sent_instead(variable: str) -> str:
    """Return what happens to the value of *variable*, as part of a sentence."""
    return f"sent as {RIVALS[variable]} in place of the helper's token"
