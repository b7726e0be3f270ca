"""Format `gcp-executable`: the subject token of an external account, for Google's libraries.

What they read from the standard output of an `executable` source (cloud.google.com/iam/docs,
"Executable-sourced credentials"; google.aip.dev/auth/4117). A failure is an answer there too: of a
program that ends with an exit code, the libraries for Go and Java show nothing but that code.
"""

from __future__ import annotations

import re

import msgspec

from credward.errors import BrokerError, Kind
from credward.formats.shape import Shaped, ShapeRequest, one_line_secret
from credward.tokens import Token

__all__ = ["FAILS_IN_WORDS", "MIN_REMAINING", "failed_executable", "shape_executable"]

# The format whose failures go to standard output.
FAILS_IN_WORDS = "gcp-executable"
# What Google gives for the token may end with it, and is asked for again 3:45 minutes before that
# (seconds).
MIN_REMAINING = 6 * 60.0

_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_TYPE = "urn:ietf:params:oauth:token-type:jwt"


def shape_executable(token: Token, shape_request: ShapeRequest) -> Shaped:
    """Return a success with the token; raises `fix-configuration` if that is not a JWT."""
    secret = one_line_secret(token, shape_request.credential, "gcp-executable")
    if _JWT.fullmatch(secret) is None:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{shape_request.credential}" hands out a token that is not a JWT, and a workload '
            "identity pool takes no other: name a credential whose token is an OIDC token",
        )
    answer: dict[str, object] = {
        "version": 1,
        "success": True,
        "token_type": _TYPE,
        "id_token": secret,
    }
    if token.expires_at is not None:
        answer["expiration_time"] = int(token.expires_at)
    return Shaped(body=bytearray(_line(answer)), content_type="application/json")


def failed_executable(kind: Kind, line: str) -> bytes:
    """Return the failure that the libraries show, with our *line* in it."""
    code = str(kind.exit_code)
    return _line({"version": 1, "success": False, "code": code, "message": line})


def _line(answer: dict[str, object]) -> bytes:
    return msgspec.json.encode(answer) + b"\n"
