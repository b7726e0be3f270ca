"""What each registered OAuth error code means here, in our kinds and words.

Knows codes, not HTTP; only codes of this table ever get into a message, never other upstream text.
"""

from __future__ import annotations

from typing import Literal

from credward.errors import BrokerError, Kind, Recovery, login_required

__all__ = ["login_command", "refusal", "shown_code"]

Meaning = Literal["login", "configuration", "assertion", "busy", "down", "refused"]

_MEANINGS: dict[str, Meaning] = {
    # RFC 6749 section 5.2
    "invalid_grant": "login",
    "invalid_client": "configuration",
    "invalid_request": "configuration",
    "invalid_scope": "configuration",
    "unauthorized_client": "configuration",
    "unsupported_grant_type": "configuration",
    # RFC 6749 section 4.1.2.1
    "access_denied": "refused",
    "unsupported_response_type": "configuration",
    "server_error": "down",
    "temporarily_unavailable": "busy",
    # RFC 7009 section 2.2.1
    "unsupported_token_type": "configuration",
    # RFC 8628 section 3.5
    "authorization_pending": "refused",
    "expired_token": "login",
    "slow_down": "busy",
    # RFC 8707 section 2, RFC 9449 sections 5 and 8, RFC 9470 section 3
    "invalid_target": "configuration",
    "invalid_dpop_proof": "refused",
    "use_dpop_nonce": "refused",
    "insufficient_user_authentication": "login",
    # OpenID Connect Core section 3.1.2.6; some servers give them to a refresh, too
    "account_selection_required": "login",
    "consent_required": "login",
    "interaction_required": "login",
    "login_required": "login",
    # GitHub's own, all with status 200
    "bad_refresh_token": "login",
    "bad_verification_code": "login",
    "device_flow_disabled": "configuration",
    "incorrect_client_credentials": "configuration",
    "incorrect_device_code": "login",
}
# Where an assertion or another token is traded, these speak of it, and the next one may be better.
_OF_ASSERTION = frozenset({"invalid_grant", "invalid_request"})


def login_command(credential: str, grant_type: str) -> str:
    """Return the command for a new grant; a grant without a login is handed over."""
    handed_over = " --grant-stdin" if grant_type == "refresh_token" else ""
    return f"credward login {credential}{handed_over}"


def shown_code(code: object) -> str | None:
    """Return *code* if it is a registered one, so that it may be shown."""
    return code if isinstance(code, str) and code in _MEANINGS else None


def refusal(
    code: object,
    credential: str,
    host: str,
    *,
    grant_type: str = "authorization_code",
    retry_after: float | None = None,
    status: int = 400,
) -> BrokerError:
    """Return the error for a definite refusal with *code*; a refused grant was not used up.

    *grant_type* is that of the settings, *retry_after* what the answer said, in seconds, *status*
    its HTTP status.
    """
    shown = shown_code(code)
    meaning: Meaning = "refused" if shown is None else _MEANINGS[shown]
    if shown in _OF_ASSERTION and grant_type in {"token_exchange", "jwt_bearer"}:
        meaning = "assertion"
    elif meaning == "login" and grant_type == "client_credentials":
        meaning = "configuration"
    says = f'"{credential}" got no token, {host} answered {shown or "an unknown error code"}'
    match meaning:
        case "login":
            command = login_command(credential, grant_type)
            return login_required(credential, remedy=f"run {command}", reason=shown or "").error()
        case "configuration":
            return BrokerError(Kind.FIX_CONFIGURATION, f"{says}: {_remedy(shown, status)}")
        case "assertion":
            return BrokerError(
                Kind.PROVIDER_REFUSED,
                f"{says}: renew what {_traded(grant_type)} refers to",
                recovery=Recovery.RETRY,
            )
        case "busy":
            return BrokerError(
                Kind.RATE_LIMITED, f"{says}: retrying by itself", retry_after=retry_after
            )
        case "down":
            return BrokerError(
                Kind.PROVIDER_UNREACHABLE,
                f"{says}: retrying by itself",
                retry_after=retry_after,
                sent="maybe",
            )
        case "refused":
            return BrokerError(
                Kind.PROVIDER_REFUSED,
                f"{says}: ask the administrator of {host}",
                retry_after=retry_after,
            )


def _remedy(code: str | None, status: int) -> str:
    if code == "unauthorized_client" and status == 401:
        # Of a client that did not prove who it is (RFC 6749 section 5.2 has invalid_client for it):
        # seen of Keycloak 26 for a wrong secret.
        code = "invalid_client"
    match code:
        case "invalid_client" | "incorrect_client_credentials":
            return "correct client_id, or the client_secret, key or certificate that belongs to it"
        case "invalid_scope":
            return "correct scope"
        case "invalid_target":
            return "correct resource or audience"
        case "unauthorized_client" | "unsupported_grant_type" | "device_flow_disabled":
            return "correct grant_type, or have the server allow it for this client"
        case _:
            return "correct the settings of this credential"


def _traded(grant_type: str) -> str:
    return "subject_token" if grant_type == "token_exchange" else "assertion"
