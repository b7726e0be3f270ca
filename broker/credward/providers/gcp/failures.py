"""What a refusal of Google means: whose turn it is, and what to type.

Pure: a request and its answer in, a `BrokerError` out. Of the answer only its status, known error
codes and Retry-After are looked at; its texts stay out of every message.
"""

from __future__ import annotations

import json
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from credward.errors import BrokerError, Kind
from credward.providers.provider import HttpRequest, HttpResponse
from credward.providers.retry_after import read_retry_after

__all__ = ["GCLOUD_LOGIN", "read_failure"]

Step = Literal[
    "refresh", "assertion", "exchange", "downscope", "code", "impersonation", "metadata", "subject"
]

GCLOUD_LOGIN = "gcloud auth application-default login"

_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - RFC 8693 section 3
# RFC 6749 section 5.2, RFC 8693 section 2.2.2, Google's own and those of its APIs. No other word of
# an answer is repeated, for it may be anything.
_CODES = frozenset({
    "access_denied", "admin_policy_enforced", "deleted_client", "disabled_client",
    "interaction_required", "invalid_client", "invalid_grant", "invalid_rapt", "invalid_request",
    "invalid_scope", "invalid_target", "org_internal", "rapt_required", "unauthorized_client",
    "unsupported_grant_type", "FAILED_PRECONDITION", "INVALID_ARGUMENT", "NOT_FOUND",
    "PERMISSION_DENIED", "SERVICE_DISABLED", "UNAUTHENTICATED",
})  # fmt: skip
_CLIENT = frozenset({
    "deleted_client", "disabled_client", "invalid_client", "unauthorized_client",
})  # fmt: skip
_LOGIN = frozenset({"invalid_grant", "invalid_rapt", "rapt_required", "interaction_required"})


def read_failure(
    credential: str,
    http_request: HttpRequest,
    answer: HttpResponse,
    *,
    now: float,
    login_command: str,
) -> BrokerError:
    """Return the failure for *answer*, which is not a success.

    *login_command* is what a user types for a new login, *now* in Unix seconds.
    """
    host = urlsplit(http_request.url).hostname or ""
    start = f'"{credential}" got no token, '
    wait = read_retry_after(answer.headers, now)
    if answer.status == 429:
        return BrokerError(
            Kind.RATE_LIMITED,
            f"{start}{host} asks to slow down (429): retrying by itself, nothing to type",
            retry_after=wait,
        )
    if answer.status >= 500 or answer.status == 408:
        return BrokerError(
            Kind.PROVIDER_UNREACHABLE,
            f"{start}{host} answered {answer.status}: retrying by itself, nothing to type",
            retry_after=wait,
            sent="maybe",
        )
    kind, text = _classify(http_request, answer.status, _error_code(answer), login_command)
    return BrokerError(kind, start + text)


def _classify(
    http_request: HttpRequest, status: int, code: str | None, login_command: str
) -> tuple[Kind, str]:
    """Return the kind, and the rest of the sentence that begins with "got no token"."""
    said = code or str(status)
    match _step(http_request):
        case "refresh" | "code" if code in _LOGIN:
            return Kind.LOGIN_REQUIRED, f"Google wants a new login ({said}): run {login_command}"
        case "refresh" | "code" if code in _CLIENT:
            return Kind.FIX_CONFIGURATION, (
                f"Google refuses the client that the login was made with ({said}): correct "
                f"client_id and client_secret, or run {login_command}"
            )
        case "refresh" | "code" if code in {"access_denied", "admin_policy_enforced"}:
            return Kind.FIX_CONFIGURATION, (
                f"an administrator forbids this client ({said}): have it allowed in the admin "
                "console of the organisation"
            )
        case _ if code == "invalid_scope":
            return Kind.FIX_CONFIGURATION, (
                "Google does not give these scopes (invalid_scope): correct scopes in the "
                "configuration"
            )
        case "assertion" if code is not None:
            return Kind.FIX_CONFIGURATION, (
                f"Google refuses the service account key ({said}; deleted, disabled, or this "
                "clock is wrong): run gcloud iam service-accounts keys list, then set the clock or "
                "make a new key"
            )
        case "exchange" if code == "invalid_grant":
            # The next one that the source hands over may be good.
            return Kind.PROVIDER_REFUSED, (
                "the identity pool refuses the subject token (invalid_grant; expired?): renew it "
                "where it comes from, or correct the provider of the pool"
            )
        case "exchange" if code is not None:
            return Kind.FIX_CONFIGURATION, (
                f"the identity pool refuses this workload ({said}): correct audience, or the "
                "attribute condition of the pool's provider"
            )
        case "downscope" if code is not None:
            return Kind.FIX_CONFIGURATION, (
                f"Google refuses the access boundary ({said}): correct access_boundary in the "
                "configuration"
            )
        case "impersonation":
            return _impersonation(_account(http_request.url), status, said)
        case "metadata" if status == 404:
            return Kind.FIX_CONFIGURATION, (
                "the machine has no service account (404): attach one in Google Cloud"
            )
        case _:
            host = urlsplit(http_request.url).hostname
            return Kind.PROVIDER_REFUSED, f"{host} refused ({said}): run credward doctor"


def _impersonation(account: str, status: int, said: str) -> tuple[Kind, str]:
    """Tell what the IAM Credentials API is missing; *account* is the one to be impersonated."""
    if said == "SERVICE_DISABLED":
        return Kind.FIX_CONFIGURATION, (
            "the IAM Credentials API is off: run gcloud services enable iamcredentials."
            "googleapis.com"
        )
    if status == 403:
        return Kind.FIX_CONFIGURATION, (
            f"it may not impersonate {account}: grant roles/iam.serviceAccountTokenCreator on it "
            "with gcloud iam service-accounts add-iam-policy-binding, for each delegate too"
        )
    if status == 404:
        return Kind.FIX_CONFIGURATION, (
            f"there is no service account {account}: correct impersonate_service_account"
        )
    if status == 400:
        return Kind.FIX_CONFIGURATION, (
            f"Google refuses what is asked for {account} ({said}): correct lifetime, scopes and "
            "delegates"
        )
    return Kind.PROVIDER_REFUSED, (
        f"Google refuses the source of the impersonation of {account} ({said}): run credward doctor"
    )


def _step(http_request: HttpRequest) -> Step:
    """Return what was asked for, by the request itself."""
    if ":generate" in urlsplit(http_request.url).path:
        return "impersonation"
    if "Metadata-Flavor" in http_request.headers:
        return "metadata"
    if http_request.headers.get("Content-Type") != "application/x-www-form-urlencoded":
        return "subject"
    form = parse_qs(http_request.body.decode("ascii", "replace"))
    match form.get("grant_type"):
        case ["refresh_token"]:
            return "refresh"
        case ["authorization_code"]:
            return "code"
        case ["urn:ietf:params:oauth:grant-type:jwt-bearer"]:
            return "assertion"
        case ["urn:ietf:params:oauth:grant-type:token-exchange"]:
            return "downscope" if form.get("subject_token_type") == [_ACCESS_TOKEN] else "exchange"
        case _:
            return "subject"


def _account(url: str) -> str:
    account = urlsplit(url).path.rpartition("/")[2].partition(":")[0]
    return account if account.isascii() and account.isprintable() else "the service account"


def _error_code(answer: HttpResponse) -> str | None:
    """Return the most telling code of an OAuth or an API error that is known here."""
    try:
        error = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(error, dict):
        return None
    found: list[Any] = [error.get("error_subtype"), error.get("error")]
    if isinstance(inner := error.get("error"), dict):
        details = inner.get("details")
        reasons = [
            each.get("reason")
            for each in (details if isinstance(details, list) else [])
            if isinstance(each, dict)
        ]
        found = [*reasons, inner.get("status")]
    return next((code for code in found if isinstance(code, str) and code in _CODES), None)
