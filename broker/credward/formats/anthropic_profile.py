"""The two files of a profile that Anthropic's SDKs, `ant` and Claude Code read.

One says where to ask and holds no secret, the other is the access token with its end. What the
readers demand, as far as it was observed (SDKs for Python 2.11, TypeScript 1.11; Claude Code
2.1.329): type `user_oauth` without a `client_id`, because with one they would refresh the token
themselves; whole Unix seconds; no `workspace_id`, which a token of federation carries already.
`sinks.anthropic_profile` writes them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from credward.errors import BrokerError, Kind
from credward.formats.shape import one_line_secret
from credward.tokens import Token

__all__ = ["profile_config", "profile_credentials"]


def profile_config(base_url: str | None) -> bytes:
    """Return `configs/NAME.json`; *base_url* None: the API itself."""
    record: dict[str, Any] = {"version": "1.0", "authentication": {"type": "user_oauth"}}
    if base_url is not None:
        record["base_url"] = base_url
    return _written(record)


def profile_credentials(token: Token, credential: str) -> bytearray:
    """Return `credentials/NAME.json`; a token without an end has no `expires_at`.

    The SDKs then keep it as long as they run. Raise `fix-configuration` for an API key: they would
    present it as an access token.
    """
    if token.kind != "bearer":
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{credential}" hands out a token of kind {token.kind}, and a profile of Anthropic '
            "holds access tokens: use format env for it",
        )
    record: dict[str, Any] = {
        "version": "1.0",
        "type": "oauth_token",
        "access_token": one_line_secret(token, credential, "anthropic-profile"),
    }
    if token.expires_at is not None:
        record["expires_at"] = int(token.expires_at)
    return bytearray(_written(record))


def _written(record: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
