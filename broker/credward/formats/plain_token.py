"""Format `token`: the bare token and a newline, what Claude Code's apiKeyHelper and shells read.

Other formats are in the neighbouring files.
"""

from __future__ import annotations

from credward.errors import BrokerError, Kind
from credward.formats.shape import Shaped, ShapeRequest, one_line_secret
from credward.tokens import Token

__all__ = ["shape_token"]


def shape_token(token: Token, shape_request: ShapeRequest) -> Shaped:
    """Return the secret and a newline; a secret with a space is not a token."""
    secret = one_line_secret(token, shape_request.credential, "token")
    if " " in secret:
        raise BrokerError(
            Kind.PROVIDER_REFUSED, f'"{shape_request.credential}" minted a token with a space in it'
        )
    return Shaped(body=bytearray(secret.encode() + b"\n"), content_type="text/plain")
