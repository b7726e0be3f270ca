"""What a failure of AWS means, in our closed kinds: the codes of STS, IAM Identity Center and ECR.

Classifies; text of an answer is never repeated, because it may quote what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from botocore.exceptions import (
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    InfiniteLoopConfigError,
    InvalidConfigError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from credward.errors import BrokerError, Kind, Recovery, login_required
from credward.providers.retry_after import read_retry_after

__all__ = ["explain"]

# The code that AWS answers with, without a trailing "Exception": kind, meaning, what to do. Codes
# are those of the STS, SSO OIDC, SSO portal and ECR references, section "Errors" of each action,
# and of "Common Errors".
_LOGIN = "says that the login has expired"
_KEYS = "does not accept the access keys"
_BUSY = "asks for fewer requests"
_CODES: Mapping[str, tuple[Kind, str, str]] = {
    "AccessDenied": (
        Kind.FIX_CONFIGURATION,
        "denies access",
        "correct the policy of the caller, the trust policy of the role, or external_id",
    ),
    "Forbidden": (
        Kind.FIX_CONFIGURATION,
        "denies access",
        "correct sso_account_id and sso_role_name, or have the role assigned",
    ),
    "ResourceNotFound": (
        Kind.FIX_CONFIGURATION,
        "knows no such account or role",
        "correct sso_account_id and sso_role_name",
    ),
    "NoSuchEntity": (Kind.FIX_CONFIGURATION, "knows no such role", "correct role_arn"),
    "InvalidClientTokenId": (Kind.FIX_CONFIGURATION, _KEYS, "replace them at their source"),
    "InvalidAccessKeyId": (Kind.FIX_CONFIGURATION, _KEYS, "replace them at their source"),
    "UnrecognizedClient": (Kind.FIX_CONFIGURATION, _KEYS, "replace them at their source"),
    "InvalidToken": (Kind.FIX_CONFIGURATION, _KEYS, "replace them at their source"),
    "AuthFailure": (Kind.FIX_CONFIGURATION, _KEYS, "replace them at their source"),
    "MissingAuthenticationToken": (
        Kind.FIX_CONFIGURATION,
        _KEYS,
        "replace them at their source",
    ),
    "IncompleteSignature": (Kind.FIX_CONFIGURATION, _KEYS, "replace them at their source"),
    "SignatureDoesNotMatch": (
        Kind.FIX_CONFIGURATION,
        "does not accept the signature",
        "correct the secret access key, or the clock of this machine",
    ),
    "RequestExpired": (
        Kind.FIX_CONFIGURATION,
        "finds the request too old",
        "set the clock of this machine",
    ),
    "ExpiredToken": (
        Kind.LOGIN_REQUIRED,
        "says that the keys have expired",
        "renew them at their source",
    ),
    "MalformedPolicyDocument": (
        Kind.FIX_CONFIGURATION,
        "cannot read session_policy",
        "correct session_policy",
    ),
    "PackedPolicyTooLarge": (
        Kind.FIX_CONFIGURATION,
        "finds policy and tags too large",
        "shorten session_policy, policy_arns or session_tags",
    ),
    "ValidationError": (
        Kind.FIX_CONFIGURATION,
        "refuses a value",
        "correct duration_seconds, role_session_name or policy_arns",
    ),
    "InvalidParameter": (Kind.FIX_CONFIGURATION, "refuses a value", "correct registry"),
    "RegionDisabled": (
        Kind.FIX_CONFIGURATION,
        "is not active in this region",
        "enable the region in the account, or set region",
    ),
    "InvalidIdentityToken": (
        Kind.PROVIDER_REFUSED,
        "does not accept the web identity",
        "correct its issuer and audience in IAM",
    ),
    "IDPRejectedClaim": (
        Kind.PROVIDER_REFUSED,
        "was refused by the identity provider",
        "correct web_identity_token",
    ),
    "IDPCommunicationError": (
        Kind.PROVIDER_UNREACHABLE,
        "cannot reach the identity provider",
        "retrying by itself",
    ),
    "Unauthorized": (Kind.LOGIN_REQUIRED, _LOGIN, ""),
    "InvalidGrant": (Kind.LOGIN_REQUIRED, _LOGIN, ""),
    "InvalidClient": (Kind.LOGIN_REQUIRED, "says that the client registration has expired", ""),
    "Throttling": (Kind.RATE_LIMITED, _BUSY, "retrying by itself"),
    "Throttled": (Kind.RATE_LIMITED, _BUSY, "retrying by itself"),
    "TooManyRequests": (Kind.RATE_LIMITED, _BUSY, "retrying by itself"),
    "RequestLimitExceeded": (Kind.RATE_LIMITED, _BUSY, "retrying by itself"),
    "SlowDown": (Kind.RATE_LIMITED, _BUSY, "retrying by itself"),
    "LimitExceeded": (Kind.RATE_LIMITED, _BUSY, "retrying by itself"),
}
# A code that is not in the table is shown only if it looks like one of theirs: other text in its
# place may be a secret.
_WORDS = re.compile(r"[A-Z]{0,4}(?:[A-Z][a-z]{2,}){1,7}", re.ASCII)


def explain(
    credential: str,
    error: Exception,
    *,
    service: str,
    login: str | None = None,
    overrides: Mapping[str, tuple[Kind, str, str]] | None = None,
) -> BrokerError:
    """Return *error* as one of our kinds. *service* begins the clause: "STS", "SSO".

    *login* is the command that helps where a human must act; None: the keys come from elsewhere.
    *overrides* are codes that mean something else in this call.
    """
    if isinstance(error, ClientError):
        return _explain_answer(credential, error, service, login, {**_CODES, **(overrides or {})})
    match error:
        case UnauthorizedSSOTokenError() | TokenRetrievalError() | SSOError():
            return _login_required(credential, f"{service} {_LOGIN}", login)
        case ProfileNotFound() | ConfigNotFound():
            problem = "the profile is not in the files of the AWS command line: correct its name"
        case ConfigParseError() | InvalidConfigError() | InfiniteLoopConfigError():
            problem = "the files of the AWS command line are wrong: run aws configure list"
        case PartialCredentialsError():
            problem = "the profile has only one half of a key pair: add the other"
        case NoRegionError():
            problem = "it has no region: set region"
        case ParamValidationError():
            problem = f"a value does not fit {service}: run credward config check"
        case _:
            # What remains is an answer that could not be read: HTML with status 200, broken XML.
            return BrokerError(
                Kind.PROVIDER_REFUSED,
                f'"{credential}" got no token, {service} sent an unexpected answer '
                f"({type(error).__name__}): check for a proxy in between",
                sent="maybe",
            )
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{credential}" got no token, {problem}')


def _explain_answer(
    credential: str,
    error: ClientError,
    service: str,
    login: str | None,
    codes: Mapping[str, tuple[Kind, str, str]],
) -> BrokerError:
    answer = error.response
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
    code = str(answer.get("Error", {}).get("Code", ""))
    found = codes.get(code.removesuffix("Exception"))
    shown = code if found or _WORDS.fullmatch(code) else f"HTTP {status}"
    if found is None and status == HTTPStatus.TOO_MANY_REQUESTS:
        found = codes["Throttling"]
    if found is None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return BrokerError(
            Kind.PROVIDER_UNREACHABLE,
            f'"{credential}" got no token, {service} failed ({shown}): retrying by itself',
            retry_after=_asked_wait(error),
            sent="maybe",
        )
    kind, meaning, remedy = found or (
        Kind.PROVIDER_REFUSED,
        "refuses",
        "look it up in CloudTrail",
    )
    if kind is Kind.LOGIN_REQUIRED:
        return _login_required(credential, f"{service} {meaning}, {shown}", login, remedy)
    return BrokerError(
        kind,
        f'"{credential}" got no token, {service} {meaning} ({shown}): {remedy}',
        retry_after=_asked_wait(error) if kind is Kind.RATE_LIMITED else None,
        # A redirect comes from something in between, and says nothing about AWS.
        sent="no" if status >= HTTPStatus.BAD_REQUEST else "maybe",
    )


def _login_required(
    credential: str, reason: str, login: str | None, remedy: str = ""
) -> BrokerError:
    ours = login is not None and login.startswith("credward ")
    command = f"run {login}" if login else remedy or "renew the keys at their source"
    # We do not hear of a login elsewhere: try again instead of waiting for our own.
    recovery = None if ours else Recovery.FIX_CONFIGURATION
    return login_required(credential, remedy=command, reason=reason, recovery=recovery).error()


def _asked_wait(error: ClientError) -> float | None:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return read_retry_after({name: str(value) for name, value in headers.items()}, None)
