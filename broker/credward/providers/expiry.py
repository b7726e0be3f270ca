"""When a printed token ends: from the JSON around it, from the JWT that it is, or as configured.

Reads and checks; that a token without any known end is a configuration error is said here too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import jwt

from credward.errors import Kind
from credward.settings.command import Settings

__all__ = ["ExpiryError", "find_expiry", "read_jwt_claims"]

# Absolute: ours and nono's, az's two (the number first: the text is local time without a zone),
# gcloud's, AWS's, kubectl's.
_INSTANTS = (
    "expires_at",
    "expires_on",
    "expiresOn",
    "token_expiry",
    "Expiration",
    "expirationTimestamp",
)
_DURATION = "expires_in"
_LOCAL_TIME = "expiresOn"
# Ten years: what lies beyond is milliseconds instead of seconds, or garbage.
_HORIZON = 315_360_000.0


class ExpiryError(Exception):
    """No usable end; the text continues a sentence that begins with the credential's name."""

    def __init__(self, kind: Kind, problem: str) -> None:
        super().__init__(problem)
        self.kind = kind


def find_expiry(
    answer: Mapping[str, Any], claims: Mapping[str, Any], settings: Settings, now: float
) -> float:
    """Return when the token ends, by the sources that *settings* name or by the first that knows.

    *answer* is the JSON around the token, *claims* what is in it if it is a JWT.
    """
    expires_at: float | None = None
    if settings.expiry in {None, "json"}:
        expires_at = _from_json(answer, now)
    if expires_at is None and settings.expiry in {None, "jwt"} and "exp" in claims:
        expires_at = _number(claims["exp"], "exp")
    if expires_at is None and settings.expiry in {None, "configured"} and settings.lifetime:
        expires_at = now + settings.lifetime
    if expires_at is None:
        problem = "without an expiry: set lifetime, in seconds"
        if settings.expiry is not None:
            problem = f'in which expiry = "{settings.expiry}" finds no expiry: set lifetime instead'
        raise ExpiryError(Kind.FIX_CONFIGURATION, f"got a token {problem}")
    return _check(expires_at, now)


def read_jwt_claims(token: str) -> Mapping[str, Any]:
    """Return what a JWT says of itself, nothing for any other token; nothing is verified here."""
    if not token.startswith("eyJ") or token.count(".") != 2:
        return {}
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return {}
    return dict(claims)


def _from_json(answer: Mapping[str, Any], now: float) -> float | None:
    for field in _INSTANTS:
        if (value := answer.get(field)) is not None:
            return _instant(value, field)
    if (value := answer.get(_DURATION)) is not None:
        return now + _number(value, _DURATION)
    return None


def _instant(value: object, field: str) -> float:
    if isinstance(value, str) and not _looks_like_number(value):
        try:
            moment = datetime.fromisoformat(value.strip())
            # An instant without a zone would be one of 24; only az means the machine's.
            if moment.tzinfo is not None or field == _LOCAL_TIME:
                return moment.timestamp()
        except (ValueError, OverflowError, OSError):
            pass
        raise _unusable(field)
    return _number(value, field)


def _looks_like_number(value: str) -> bool:
    return value.strip().replace(".", "", 1).isdecimal()


def _number(value: object, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _unusable(field)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _unusable(field) from None
    if not math.isfinite(number):
        raise _unusable(field)
    return number


def _unusable(field: str) -> ExpiryError:
    # The value stays out of it: programs print anything.
    return ExpiryError(
        Kind.PROVIDER_REFUSED,
        f"got a token whose {field} is neither Unix seconds nor RFC 3339: "
        'set expiry = "configured" and lifetime',
    )


def _check(expires_at: float, now: float) -> float:
    if expires_at <= now:
        raise ExpiryError(
            Kind.PROVIDER_REFUSED,
            "got a token that has expired already: run its program by hand to see a new one",
        )
    if expires_at > now + _HORIZON:
        raise ExpiryError(
            Kind.PROVIDER_REFUSED,
            "got a token that expires in more than ten years (milliseconds?): "
            'set expiry = "configured" and lifetime',
        )
    return expires_at
