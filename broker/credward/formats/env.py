"""Format `env`: `NAME=value` lines, safe to read into a POSIX shell.

The name comes from the configuration; the default is the name that Anthropic's tools read for this
kind of token.
"""

from __future__ import annotations

import shlex

from credward.errors import BrokerError, Kind
from credward.formats.shape import Shaped, ShapeRequest, one_line_secret
from credward.tokens import Token

__all__ = ["shape_env"]

_DEFAULT_NAMES = {"bearer": "ANTHROPIC_AUTH_TOKEN", "api-key": "ANTHROPIC_API_KEY"}


def shape_env(token: Token, shape_request: ShapeRequest) -> Shaped:
    """Return one assignment; a kind without a default name needs `env_name`."""
    secret = one_line_secret(token, shape_request.credential, "env")
    name = shape_request.env_name or _DEFAULT_NAMES.get(token.kind)
    if name is None:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{shape_request.credential}" has no default variable for kind {token.kind}: '
            f"set env_name in [credentials.{shape_request.credential}]",
        )
    line = f"{name}={shlex.quote(secret)}\n"
    return Shaped(body=bytearray(line.encode()), content_type="text/plain")
