"""What a program wrote last before a mint failed, shown to the owner who asked for that mint.

The daemon decides who is an owner, and masks it.
"""

from __future__ import annotations

from credward.client import Client
from credward.errors import BrokerError, Kind

__all__ = ["last_words"]

# Kinds with which a program can end (`providers.exit_codes`).
_OF_PROGRAMS = frozenset(
    {
        Kind.PROVIDER_REFUSED,
        Kind.PROVIDER_UNREACHABLE,
        Kind.LOGIN_REQUIRED,
        Kind.FIX_CONFIGURATION,
    }
)


def last_words(client: Client, credential: str, error: BrokerError) -> str:
    """Return the last line of the program behind *error*, "" if there is none to see."""
    if error.kind not in _OF_PROGRAMS:
        return ""
    try:
        return client.last_words(credential).line
    except BrokerError:
        # Not for this caller, or not known to this daemon.
        return ""
