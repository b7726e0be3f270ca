"""What failures of AWS mean."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    InvalidConfigError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from canaries import MARK, canary
from credward.errors import Kind, Recovery
from credward.providers.aws.errors import explain


def refused(code: str, status: int = 400, **headers: str) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": canary("message")},
            "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
        },
        "AssumeRole",
    )


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDenied", 403, Kind.FIX_CONFIGURATION),
        ("AccessDeniedException", 403, Kind.FIX_CONFIGURATION),
        ("InvalidClientTokenId", 403, Kind.FIX_CONFIGURATION),
        ("SignatureDoesNotMatch", 403, Kind.FIX_CONFIGURATION),
        ("MalformedPolicyDocument", 400, Kind.FIX_CONFIGURATION),
        ("PackedPolicyTooLarge", 400, Kind.FIX_CONFIGURATION),
        ("ValidationError", 400, Kind.FIX_CONFIGURATION),
        ("RegionDisabledException", 403, Kind.FIX_CONFIGURATION),
        ("ForbiddenException", 403, Kind.FIX_CONFIGURATION),
        ("ResourceNotFoundException", 404, Kind.FIX_CONFIGURATION),
        ("ExpiredToken", 403, Kind.LOGIN_REQUIRED),
        ("ExpiredTokenException", 400, Kind.LOGIN_REQUIRED),
        ("UnauthorizedException", 401, Kind.LOGIN_REQUIRED),
        ("InvalidGrantException", 400, Kind.LOGIN_REQUIRED),
        ("InvalidClientException", 401, Kind.LOGIN_REQUIRED),
        ("InvalidIdentityToken", 400, Kind.PROVIDER_REFUSED),
        ("IDPCommunicationError", 400, Kind.PROVIDER_UNREACHABLE),
        ("Throttling", 400, Kind.RATE_LIMITED),
        ("ThrottlingException", 503, Kind.RATE_LIMITED),
        ("TooManyRequestsException", 429, Kind.RATE_LIMITED),
        ("SlowDownException", 400, Kind.RATE_LIMITED),
        ("SomethingNew", 429, Kind.RATE_LIMITED),
        ("InternalFailure", 500, Kind.PROVIDER_UNREACHABLE),
        ("503", 503, Kind.PROVIDER_UNREACHABLE),
        ("SomethingNew", 400, Kind.PROVIDER_REFUSED),
        (canary("code"), 400, Kind.PROVIDER_REFUSED),
    ],
)
def test_t6_codes_of_aws(code, status, kind):
    """A definite refusal used nothing up; a server in trouble may have acted. No text of theirs."""
    error = explain("deploy", refused(code, status), service="STS")

    assert error.kind is kind
    assert error.failure.sent == (
        "maybe" if status >= 500 and kind is not Kind.RATE_LIMITED else "no"
    )
    assert error.message.startswith('"deploy" ')
    assert ": " in error.message
    assert MARK not in error.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UnauthorizedSSOTokenError(), Kind.LOGIN_REQUIRED),
        (SSOTokenLoadError(error_msg=canary("x")), Kind.LOGIN_REQUIRED),
        (TokenRetrievalError(provider="sso", error_msg=canary("x")), Kind.LOGIN_REQUIRED),
        (ProfileNotFound(profile="x"), Kind.FIX_CONFIGURATION),
        (InvalidConfigError(error_msg=canary("x")), Kind.FIX_CONFIGURATION),
        (PartialCredentialsError(provider="x", cred_var=canary("x")), Kind.FIX_CONFIGURATION),
        (NoRegionError(), Kind.FIX_CONFIGURATION),
        (ParamValidationError(report=canary("x")), Kind.FIX_CONFIGURATION),
        (BotoCoreError(), Kind.PROVIDER_REFUSED),
    ],
)
def test_t6_failures_of_botocore(error, kind):
    """What it finds out by itself; what cannot be read counts as an answer of nobody's."""
    error = explain("deploy", error, service="STS")

    assert error.kind is kind
    assert error.failure.sent == ("maybe" if kind is Kind.PROVIDER_REFUSED else "no")
    assert MARK not in error.message


def test_the_login_that_helps():
    """Ours parks the credential until it is made; any other is looked for again."""
    ours = explain("c", refused("InvalidGrant"), service="SSO", login="credward login c")
    other = explain("c", refused("Unauthorized"), service="SSO", login="aws sso login")
    none = explain("c", refused("ExpiredToken"), service="STS")

    assert (ours.failure.recovery, ours.message[-20:]) == (
        Recovery.REAUTHORIZE,
        "run credward login c",
    )
    assert other.failure.recovery is Recovery.FIX_CONFIGURATION
    assert other.message.endswith(": run aws sso login")
    assert none.failure.recovery is Recovery.FIX_CONFIGURATION


def test_waits_as_long_as_it_is_told():
    """In seconds, where the header is a number."""
    assert (
        explain("c", refused("Throttling", **{"retry-after": "7"}), service="S").failure.retry_after
        == 7
    )
    assert (
        explain(
            "c", refused("Throttling", **{"retry-after": "soon"}), service="S"
        ).failure.retry_after
        is None
    )
