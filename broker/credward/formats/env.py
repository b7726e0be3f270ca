"""Format `env`: `NAME=value` lines, safe to read into a POSIX shell.

The name comes from the configuration; the default is the name that Anthropic's tools read for this
kind of token. AWS keys have the names that AWS tools read (AWS SDKs and Tools Reference Guide,
"Environment variables"; the end as `aws configure export-credentials --format env` writes it).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from credward.errors import BrokerError, Kind
from credward.formats.aws_keys import AwsKeys, keys_of
from credward.formats.shape import Shaped, ShapeRequest, one_line_secret
from credward.tokens import Token

__all__ = ["shape_env"]

_DEFAULT_NAMES = {"bearer": "ANTHROPIC_AUTH_TOKEN", "api-key": "ANTHROPIC_API_KEY"}


def shape_env(token: Token, shape_request: ShapeRequest) -> Shaped:
    """Return one assignment, or those of AWS keys; another kind may need `env_name`."""
    if token.kind == "aws" and shape_request.env_name is None:
        return _lines(_of_keys(keys_of(token, shape_request.credential, shape_request.now)))
    secret = one_line_secret(token, shape_request.credential, "env")
    name = shape_request.env_name or _DEFAULT_NAMES.get(token.kind)
    if name is None:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{shape_request.credential}" has no default variable for kind {token.kind}: '
            f"set env_name in [credentials.{shape_request.credential}]",
        )
    return _lines({name: secret})


def _of_keys(keys: AwsKeys) -> dict[str, str]:
    named = {
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_SESSION_TOKEN": keys.session_token,
        "AWS_CREDENTIAL_EXPIRATION": keys.expiration,
    }
    return {name: value for name, value in named.items() if value}


def _lines(variables: Mapping[str, str]) -> Shaped:
    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
    return Shaped(body=bytearray(text.encode()), content_type="text/plain")
