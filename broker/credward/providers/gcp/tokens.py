"""Refreshes, impersonates and narrows: from an identity to one checked access or ID token.

google-auth does the work where it can do so over our transport; its exceptions quote answers, so
that none of them leaves this module, not even as a cause.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC

from google.auth import credentials, downscoped, impersonated_credentials
from google.auth.exceptions import GoogleAuthError
from google.oauth2 import credentials as user_credentials
from google.oauth2 import service_account

from credward.errors import BrokerError, Kind
from credward.providers.expiry import read_jwt_claims
from credward.providers.gcp.credentials import CLOUD_PLATFORM, Hop, Identity
from credward.providers.gcp.metadata import MetadataCredentials, read_identity
from credward.providers.gcp.request import GoogleRequest
from credward.settings.gcp import AccessBoundaryRule, Settings
from credward.tokens import Secret, Token

__all__ = ["mint_access_token", "mint_id_token"]

# No token of Google's lives for a week: what ends later is milliseconds, or garbage (seconds).
_HORIZON = 7 * 86_400.0
# What garbage in an answer makes of google-auth, and what reading a subject token's file may do.
_GARBLED = (
    GoogleAuthError, ArithmeticError, AttributeError, LookupError, OSError, RecursionError,
    TypeError, ValueError,
)  # fmt: skip
_ID_TOKEN_URL = (
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:generateIdToken"  # noqa: S105
)


def mint_access_token(
    identity: Identity,
    settings: Settings,
    scopes: Sequence[str],
    request: GoogleRequest,
    *,
    credential: str,
    now: float,
) -> Token:
    """Return an access token of the last account in the chain; *now* in Unix seconds."""

    def work() -> tuple[object, float | None]:
        found = _impersonate(identity.source, identity.hops, scopes, settings.quota_project)
        if settings.access_boundary:
            rules = [_rule(each) for each in settings.access_boundary]
            boundary = downscoped.CredentialAccessBoundary(rules=rules)
            found = downscoped.Credentials(found, boundary)
        found.refresh(request)
        if found.expiry is None:
            return found.token, None
        # Naive, and in UTC; counted from the answer on, which may have been slow.
        return found.token, found.expiry.replace(tzinfo=UTC).timestamp() - request.took

    text, expires_at = _guarded(credential, work)
    return _check(credential, text, expires_at, now, audience=None, checked_at=request.now())


def mint_id_token(
    identity: Identity,
    settings: Settings,
    audience: str | None,
    request: GoogleRequest,
    *,
    credential: str,
    now: float,
) -> Token:
    """Return an ID token for *audience*, signed by Google; its end is what it says itself."""
    source, hops = identity.source, identity.hops
    if not hops and not isinstance(
        source, service_account.Credentials | MetadataCredentials | user_credentials.Credentials
    ):
        raise _misconfigured(
            credential,
            "cannot get an ID token for a workload identity pool's own identity: set "
            "impersonate_service_account",
        )

    def work() -> tuple[object, float | None]:
        if hops:
            *before, last = hops
            found = _impersonate(source, before, [CLOUD_PLATFORM], settings.quota_project)
            text = _generate_id_token(found, last, audience or "", request)
        elif isinstance(source, service_account.Credentials):
            signed = service_account.IDTokenCredentials.from_service_account_info(
                identity.info, target_audience=audience
            )
            signed.refresh(request)
            text = signed.token
        elif isinstance(source, MetadataCredentials):
            text = read_identity(request, credential, settings.metadata_host, audience or "")
        else:
            assert isinstance(source, user_credentials.Credentials)
            source.refresh(request)
            text = source.id_token
        return text, None

    text, _ = _guarded(credential, work)
    claims = read_jwt_claims(text) if isinstance(text, str) else {}
    expires_at = claims.get("exp")
    if audience is not None and claims.get("aud", audience) != audience:
        raise _misconfigured(
            credential,
            "gets ID tokens for another audience alone, as users do for their client: drop "
            "audience, or set impersonate_service_account",
        )
    ends = float(expires_at) if isinstance(expires_at, int | float) else None
    return _check(
        credential,
        text,
        ends,
        now,
        audience=audience or claims.get("aud"),
        checked_at=request.now(),
    )


def _impersonate(
    source: credentials.Credentials,
    hops: Sequence[Hop],
    scopes: Sequence[str],
    quota_project: str | None,
) -> credentials.Credentials:
    """Return the credentials at the end of the chain, unrefreshed; no hops: *source* itself."""
    found = source
    if quota_project and isinstance(found, credentials.CredentialsWithQuotaProject):
        found = found.with_quota_project(quota_project)
    for hop in hops:
        found = impersonated_credentials.Credentials(
            found,
            hop.principal,
            list(scopes) or [CLOUD_PLATFORM],
            delegates=list(hop.delegates) or None,
            lifetime=hop.lifetime,
            quota_project_id=quota_project,
            iam_endpoint_override=hop.endpoint,
        )
    return found


def _generate_id_token(
    source: credentials.Credentials, hop: Hop, audience: str, request: GoogleRequest
) -> object:
    """Ask the IAM Credentials API by hand: google-auth would by connections of its own.

    cloud.google.com/iam/docs/reference/credentials/rest, projects.serviceAccounts.generateIdToken.
    """
    if isinstance(source, credentials.Scoped):
        source = source.with_scopes([CLOUD_PLATFORM])  # type: ignore[no-untyped-call]
    source.refresh(request)
    headers = {"Content-Type": "application/json"}
    source.apply(headers)
    fields = {"audience": audience, "includeEmail": True, "delegates": list(hop.delegates)}
    url = _ID_TOKEN_URL.format(hop.principal)
    answer = request(url=url, method="POST", headers=headers, body=json.dumps(fields).encode())
    return json.loads(answer.data)["token"]


def _rule(rule: AccessBoundaryRule) -> downscoped.AccessBoundaryRule:
    condition = rule.availabilityCondition
    return downscoped.AccessBoundaryRule(
        available_resource=rule.availableResource,
        available_permissions=list(rule.availablePermissions),
        availability_condition=None
        if condition is None
        else downscoped.AvailabilityCondition(
            condition.expression, title=condition.title, description=condition.description
        ),
    )


def _guarded(
    credential: str, work: Callable[[], tuple[object, float | None]]
) -> tuple[object, float | None]:
    """Do *work*; all exceptions of google-auth for an invalid answer become one failure."""
    try:
        return work()
    except _GARBLED as error:
        # Outside of it, so that the error, which may quote the answer, is not even its context.
        unreadable = isinstance(error, OSError)
    if unreadable:
        raise _misconfigured(
            credential, "cannot read the file of its subject token: correct credential_source.file"
        )
    raise BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{credential}" got no token, the answer of Google or of its source is invalid: '
        "run credward doctor",
        sent="maybe",
    )


def _check(
    credential: str,
    text: object,
    expires_at: float | None,
    issued_at: float,
    *,
    audience: str | None,
    checked_at: float,
) -> Token:
    """Return the token; refuse an invalid or expired one, and one with no or an impossible end."""
    problem = None
    if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable():
        problem = "Google sent an invalid token"
    elif expires_at is None:
        problem = "Google sent no expiry"
    elif expires_at <= checked_at:
        problem = "Google sent a token that has expired already (is this clock right?)"
    elif not expires_at < checked_at + _HORIZON:
        problem = "Google sent a token that expires in more than a week"
    if problem is not None or not isinstance(text, str):
        raise BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{credential}" got no token, {problem}: run credward doctor',
            sent="maybe",
        )
    secret = Secret(text)
    # Access tokens have no name; their hash is what an audit of both sides can compare.
    return Token(
        secret=secret,
        issued_at=issued_at,
        expires_at=expires_at,
        audience=audience,
        upstream_id=secret.token_id(),
    )


def _misconfigured(name: str, problem: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{name}" {problem}')
