"""A token as the managed-identity endpoints of Azure answer it.

Times are texts of Unix seconds (learn.microsoft.com, "How to use managed identities on an Azure
VM", the response).
"""

from __future__ import annotations

import msgspec

from credward.formats.shape import one_line_secret
from credward.tokens import Token

__all__ = ["azure_answer"]

# A token without an end is asked for again after this long (seconds).
_UNKNOWN = 3600.0


def azure_answer(token: Token, credential: str, resource: str, now: float) -> bytearray:
    """Return the JSON of a token for *resource*; *now* is Unix time."""
    secret = one_line_secret(token, credential, "azure")
    ends = now + _UNKNOWN if token.expires_at is None else token.expires_at
    record = {
        "access_token": secret,
        "expires_on": str(int(ends)),
        "expires_in": str(max(int(ends - now), 0)),
        "not_before": str(int(token.issued_at)),
        "resource": resource,
        "token_type": "Bearer",
    }
    return bytearray(msgspec.json.encode(record))
