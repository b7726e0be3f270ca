"""Makes a `Token` or a `Grant` of a token answer, or says why it cannot.

Pure. The answer was checked to be one by `answers`; nothing in it is believed beyond that.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Mapping
from typing import Any

from credward.errors import BrokerError, Kind
from credward.providers.expiry import read_jwt_claims
from credward.providers.provider import ProviderRequest
from credward.settings.oauth import Settings
from credward.tokens import Secret, Token

__all__ = [
    "check_id_token",
    "read_account",
    "read_end_of_grant",
    "read_refresh_token",
    "read_token",
]

_LONGEST = 16_384
# Ten years: what lies beyond is milliseconds instead of seconds, or garbage.
_HORIZON = 315_360_000.0
# RFC 6749 section 7.1, RFC 9449 section 5, RFC 8693 section 2.2.1.
_TOKEN_TYPES = {"bearer", "dpop", "n_a"}
# OpenID Connect Core sections 5.4 and 11: who the user is, not what may be done. Some servers add
# them to whatever was asked for.
_WHO_SCOPES = {"openid", "profile", "email", "address", "phone", "offline_access"}


def read_token(
    answer: Mapping[str, Any], token_request: ProviderRequest, *, asked_at: float
) -> Token:
    """Return the token in *answer*; *asked_at* (Unix seconds) is when the request was sent.

    An answer is definite, so no failure here leaves it open whether a grant was used, but for one
    that holds no token at all.
    """
    settings = token_request.settings
    assert isinstance(settings, Settings)
    name = "id_token" if settings.wants_id_token else "access_token"
    text = answer.get(name)
    if not isinstance(text, str) or not text:
        raise _refused(
            token_request,
            f"the answer contains no {name}",
            "add openid to scope" if settings.wants_id_token else "correct token_endpoint",
            open_ended=True,
        )
    if not _is_word(text):
        raise _refused(
            token_request, f"the {name} is invalid", "ask the administrator of the server"
        )
    claims = read_jwt_claims(text)
    if settings.wants_id_token:
        check_id_token(claims, token_request)
        expires_at = _number(claims.get("exp"))
    else:
        _check_type(answer, token_request)
        _check_scope(answer, token_request)
        expires_at = _access_token_end(answer, claims, token_request, asked_at)
    if expires_at is None or not asked_at < expires_at <= asked_at + _HORIZON:
        raise _refused(
            token_request,
            "the token has an invalid expiry",
            "check the clock of this machine, or ask the administrator of the server",
        )
    return Token(
        secret=Secret(text),
        issued_at=asked_at,
        expires_at=expires_at,
        audience=token_request.audience or settings.audience or settings.resource,
        upstream_id=_upstream_id(claims),
    )


def read_refresh_token(answer: Mapping[str, Any]) -> str | None:
    """Return the refresh token in *answer*, or None: then the old one is still valid."""
    text = answer.get("refresh_token")
    return text if isinstance(text, str) and text and _is_word(text) else None


def read_end_of_grant(answer: Mapping[str, Any], asked_at: float) -> float | None:
    """Return when the refresh token ends (Unix seconds) where the server tells.

    By `refresh_expires_in` (Keycloak, where 0 is never) or `refresh_token_expires_in` (Entra,
    GitHub), in seconds; neither is in an RFC.
    """
    for name in ("refresh_expires_in", "refresh_token_expires_in"):
        seconds = _number(answer.get(name))
        if seconds is not None and 0 < seconds <= _HORIZON:
            return asked_at + seconds
    return None


def read_account(answer: Mapping[str, Any]) -> str | None:
    """Return who logged in, by the ID token (OpenID Connect Core section 5.1), for people."""
    token = answer.get("id_token")
    claims = read_jwt_claims(token) if isinstance(token, str) else {}
    for claim in ("email", "preferred_username", "sub"):
        name = claims.get(claim)
        if isinstance(name, str) and name.isprintable() and 0 < len(name) <= 128:
            return name
    return None


def check_id_token(
    claims: Mapping[str, Any], token_request: ProviderRequest, *, nonce: str | None = None
) -> None:
    """Refuse an ID token of another issuer, client or login (OpenID Connect Core 3.1.3.7).

    It came straight from the token endpoint by TLS, which stands for its signature (ibid., 6).
    """
    settings = token_request.settings
    assert isinstance(settings, Settings)
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if settings.client_id not in audiences:
        problem = "is for another client"
    elif settings.issuer is not None and claims.get("iss") != settings.issuer:
        problem = "is of another issuer"
    elif nonce is not None and not _same(claims.get("nonce"), nonce):
        problem = "belongs to another login"
    else:
        return
    raise _refused(token_request, f"the ID token {problem}", "check which server answers")


def _access_token_end(
    answer: Mapping[str, Any],
    claims: Mapping[str, Any],
    token_request: ProviderRequest,
    asked_at: float,
) -> float | None:
    """Return the end by `expires_in`, else the token's own, else the settings; None: unusable."""
    settings = token_request.settings
    assert isinstance(settings, Settings)
    if answer.get("expires_in") is not None:
        seconds = _number(answer["expires_in"])
        return None if seconds is None else asked_at + seconds
    if "exp" in claims:
        return _number(claims["exp"])
    if settings.lifetime is not None:
        return asked_at + settings.lifetime
    raise BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{token_request.credential}" got a token without an expiry: set lifetime, in seconds',
    )


def _check_type(answer: Mapping[str, Any], token_request: ProviderRequest) -> None:
    token_type = answer.get("token_type", "bearer")
    if not isinstance(token_type, str) or token_type.lower() not in _TOKEN_TYPES:
        raise _refused(
            token_request,
            "the token is of a type other than bearer",
            "have the server issue bearer tokens",
        )


def _check_scope(answer: Mapping[str, Any], token_request: ProviderRequest) -> None:
    """Refuse a token for more than a caller was allowed to ask for: it was not narrowed."""
    scope = answer.get("scope")
    asked = set(token_request.scopes)
    if asked and isinstance(scope, str) and not set(scope.split()) <= asked | _WHO_SCOPES:
        raise _refused(
            token_request,
            "the token has more scopes than requested",
            "request the scopes that the server grants",
        )


def _number(value: object) -> float | None:
    """Return a number of seconds; digits in a text count, as some servers send them."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) <= 15):
            return None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _is_word(text: str) -> bool:
    return len(text) <= _LONGEST and text.isascii() and text.isprintable() and " " not in text


def _same(given: object, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), expected.encode())


def _upstream_id(claims: Mapping[str, Any]) -> str | None:
    name = claims.get("uti") or claims.get("jti")
    if isinstance(name, str) and name.isascii() and name.isprintable() and len(name) <= 128:
        return name
    return None


def _refused(
    token_request: ProviderRequest, problem: str, remedy: str, *, open_ended: bool = False
) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{token_request.credential}" got no token, {problem}: {remedy}',
        sent="maybe" if open_ended else "no",
    )
