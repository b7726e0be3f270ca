"""The exchange of a JWT for a token of the Claude API (RFC 7523), as two pure functions.

Sending is the transport's job; whether the JWT may be presented at all is `assertion`.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from credward.errors import BrokerError, Kind
from credward.providers.provider import HttpRequest, HttpResponse
from credward.providers.retry_after import read_retry_after
from credward.settings.anthropic import Settings
from credward.tokens import Secret, Token

__all__ = ["build_http_request", "read_http_response", "used_up"]

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# What the vendor's SDKs send; its documentation's examples send none (observed with SDK 2.11).
_BETA = "oauth-2025-04-20,oidc-federation-2026-04-01"
# The documented longest life is one day; a month would be a mistake of units (seconds).
_LONGEST_LIFE = 30 * 86_400.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# The codes of both generations of the vendor's error page that blame the JWT or the rule.
_REFUSED_CODES = frozenset({"invalid_grant", "authentication_error"})


def build_http_request(settings: Settings, assertion: str) -> HttpRequest:
    """Return the request that presents *assertion*; `scope` is never sent, the rule decides."""
    fields = {
        "grant_type": _GRANT_TYPE,
        "assertion": assertion,
        "federation_rule_id": settings.federation_rule_id,
        "organization_id": settings.organization_id,
        "service_account_id": settings.service_account_id,
        "workspace_id": settings.workspace_id,
    }
    return HttpRequest(
        method="POST",
        url=settings.token_url,
        headers={
            "Content-Type": "application/json",
            "Accept": "application/json",
            "anthropic-beta": _BETA,
            "User-Agent": "credward",
        },
        # An empty field would be refused: absent ones stay absent.
        body=msgspec.json.encode({name: value for name, value in fields.items() if value}),
        timeout=settings.timeout,
    )


def read_http_response(name: str, settings: Settings, answer: HttpResponse, now: float) -> Token:
    """Return the token of credential *name*; *now* is when the request was sent (Unix seconds)."""
    host = urlsplit(settings.token_url).hostname or "the endpoint"
    if answer.status != 200:
        raise _failure(name, host, answer, now)
    body = _parse(answer.body)
    token, life = body.get("access_token"), body.get("expires_in")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise _strange(name, host, f"an answer without a token ({len(answer.body)} bytes)")
    if str(body.get("token_type", "")).lower() != "bearer":
        raise _strange(name, host, "a token of a type other than Bearer")
    if isinstance(life, bool) or not isinstance(life, int | float):
        raise _strange(name, host, "a token without an expiry (expires_in)")
    if not 0 < life <= _LONGEST_LIFE:
        raise _strange(name, host, "a token with an invalid expiry (expires_in)")
    return Token(
        secret=Secret(token),
        issued_at=now,
        expires_at=now + life,
        upstream_id=_request_id(answer),
    )


def used_up(answer: HttpResponse) -> bool:
    """Return whether *answer* means that the JWT was checked: accepted or refused for good.

    A busy or failing endpoint has probably not checked it.
    """
    match answer.status:
        case 200 | 401:
            return True
        case 400:
            return _error_code(_parse(answer.body)) in _REFUSED_CODES
        case _:
            return False


def _failure(name: str, host: str, answer: HttpResponse, now: float) -> BrokerError:
    """Classify a refusal by status, and by the error code of either generation of the bodies."""
    code = _error_code(_parse(answer.body))
    request_id = _request_id(answer)
    what = f"{host} " + (f"(request {request_id}) " if request_id else "")
    match answer.status:
        case 400 if code in _REFUSED_CODES:
            return _refused(name, what)
        case 400 | 413 | 422:
            return BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{name}" got no token, {what}says that the request is malformed: correct '
                "federation_rule_id, organization_id, service_account_id or workspace_id",
                hint="a rule that spans several workspaces needs workspace_id",
            )
        case 401:
            return _refused(name, what)
        case 429:
            return BrokerError(
                Kind.RATE_LIMITED,
                f'"{name}" got no token, {what}limits the rate: retrying by itself',
                retry_after=read_retry_after(answer.headers, now),
            )
        case 404 | 405 | 301 | 302 | 303 | 307 | 308:
            return BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{name}" got no token, {what}has no token endpoint there '
                f"(status {answer.status}): correct token_url",
            )
        case status if status >= 500:
            return BrokerError(
                Kind.PROVIDER_UNREACHABLE,
                f'"{name}" got no token, {what}failed (status {status}): retrying by itself',
                retry_after=read_retry_after(answer.headers, now),
                sent="maybe",
            )
        case status:
            return BrokerError(
                Kind.PROVIDER_REFUSED,
                f'"{name}" got no token, {what}refused (status {status}): '
                "see the federation history in the Console",
            )


def _refused(name: str, what: str) -> BrokerError:
    """Say what can be said: the endpoint answers all of these with one opaque text."""
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{name}" got no token, {what}refused its JWT and the next attempt uses a new one: '
        "see the reason in the federation history of the Console",
        hint="no entry in that history usually means an unknown federation_rule_id; "
        "workspace_id_required: set workspace_id; jti_reused: something else presents the same JWT",
    )


def _strange(name: str, host: str, what: str) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{name}" got no token, {host} sent {what}: check token_url',
        sent="maybe",
    )


def _parse(body: bytes) -> dict[str, Any]:
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _error_code(body: dict[str, Any]) -> str:
    """Return the code: `{"error": {"type": …}}` of the vendor, or `{"error": "…"}` of OAuth."""
    error = body.get("error")
    code = error.get("type") if isinstance(error, dict) else error
    return code if isinstance(code, str) else ""


def _request_id(answer: HttpResponse) -> str | None:
    found = answer.headers.get("request-id", "")
    return found if _REQUEST_ID.fullmatch(found) else None
