"""Google tokens as the metadata server answers them.

An access token with the seconds it still lasts, an identity token as it is ("About VM metadata" in
Google's documents).
"""

from __future__ import annotations

import msgspec

from credward.formats.shape import one_line_secret
from credward.tokens import Token

__all__ = ["access_token_answer", "identity_token_answer"]

# A token without an end is asked for again after this long (seconds).
_UNKNOWN = 3600


def access_token_answer(token: Token, credential: str, now: float) -> bytearray:
    """Return the JSON of an access token; *now* is Unix time."""
    secret = one_line_secret(token, credential, "gce")
    lasts = _UNKNOWN if token.expires_at is None else int(token.expires_at - now)
    record = {"access_token": secret, "expires_in": max(lasts, 0), "token_type": "Bearer"}
    return bytearray(msgspec.json.encode(record))


def identity_token_answer(token: Token, credential: str) -> bytearray:
    """Return an identity token as text."""
    secret = one_line_secret(token, credential, "gce-identity")
    return bytearray(secret.encode())
