"""Reads a granted answer of Entra ID into a `Token`: what it is, when it ends, how logs call it.

Pure; refusals are `errors`.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from credward.errors import BrokerError, Kind
from credward.tokens import Secret, Token

__all__ = ["read_claims", "read_number", "read_token"]

_LONGEST = 16_384
# Ten years, in seconds: what lies beyond is milliseconds instead of seconds, or garbage.
_HORIZON = 315_360_000.0


def read_token(
    answer: Mapping[str, Any],
    credential: str,
    *,
    now: float,
    audience: str | None = None,
    field: str = "access_token",
) -> Token:
    """Return the token called *field* in *answer*; *now* is when it was asked for (Unix seconds).

    An access token ends by `expires_on` (Unix seconds; managed identities and az), else by
    `expires_in` (RFC 6749 section 5.1), else by its own `exp`; an ID token by its own `exp`
    (OpenID Connect Core 1.0 section 2). Raise `provider-refused` for an invalid or expired token.
    """
    text = answer.get(field)
    if not isinstance(text, str) or not text:
        raise _refused(
            credential, f"the answer has no {field}", "check scope and the application's settings"
        )
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > _LONGEST:
        raise _refused(credential, f"the {field} is invalid", "check authority")
    claims = read_claims(text)
    expires_at = _find_end(answer, claims, field, now)
    if expires_at is None:
        raise _refused(credential, f"the {field} has no expiry", "check authority, or update az")
    if expires_at <= now:
        raise _refused(credential, f"the {field} has expired already", "check the clock")
    if expires_at > now + _HORIZON:
        raise _refused(credential, f"the {field} expires in more than ten years", "check authority")
    return Token(
        secret=Secret(text),
        issued_at=now,
        expires_at=expires_at,
        audience=audience,
        upstream_id=_upstream_id(claims),
    )


def read_claims(token: str) -> Mapping[str, Any]:
    """Return what a JWT says of itself, nothing for any other text; nothing is verified.

    Entra ID means access tokens for their audience only: they are looked into for the log id.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        payload = parts[1].encode()
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def read_number(value: object) -> float | None:
    """Return a finite number, which some answers write as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _find_end(
    answer: Mapping[str, Any], claims: Mapping[str, Any], field: str, now: float
) -> float | None:
    if field != "id_token":
        if (instant := read_number(answer.get("expires_on"))) is not None:
            return instant
        if (lifetime := read_number(answer.get("expires_in"))) is not None:
            return now + lifetime
    return read_number(claims.get("exp"))


def _upstream_id(claims: Mapping[str, Any]) -> str | None:
    """Return the id under which sign-in logs know the token: `uti`."""
    name = claims.get("uti")
    if not isinstance(name, str) or not 0 < len(name) <= 128:
        return None
    return name if name.isascii() and name.isprintable() else None


def _refused(credential: str, cause: str, remedy: str) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_REFUSED, f'"{credential}" got no token, {cause}: {remedy}', sent="maybe"
    )
