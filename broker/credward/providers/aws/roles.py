"""Assumes roles, one after another, and makes sessions of long-term keys: the calls of STS.

Where the first keys come from is `provider`; what is made of the last ones is `derived`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from credward.errors import Kind
from credward.providers.aws.client import Aws, attempt
from credward.providers.aws.keys import Keys, keys_from_answer, members_of
from credward.providers.references import read_file
from credward.settings.aws import Settings
from credward.tokens import Secret

__all__ = [
    "assume",
    "assume_profile_web_identity",
    "assume_roles",
    "assume_with_web_identity",
    "start_session",
]

# What a web identity's codes mean: its token is the file's or the credential's, and may be
# replaced at any time (AssumeRoleWithWebIdentity, "Errors").
_WEB_IDENTITY_CODES = {
    "ExpiredToken": (
        Kind.PROVIDER_REFUSED,
        "says that the web identity has expired",
        "renew web_identity_token",
    ),
}


def assume_roles(
    aws: Aws, settings: Settings, keys: Keys, *, skip: int = 0, login: str | None = None
) -> Keys:
    """Return the keys of the last role of *settings*, reached from *keys* one role at a time.

    *skip* says how many of the roles have been reached already.
    """
    last = len(settings.roles) - 1
    for position, role in list(enumerate(settings.roles))[skip:]:
        parameters = _parameters(
            settings, role, aws.credential, first=position == skip, last=position == last
        )
        keys = assume(aws, keys, region=settings.region, login=login, **parameters)
    return keys


def assume(
    aws: Aws, keys: Keys, *, region: str | None, login: str | None = None, **parameters: Any
) -> Keys:
    """Return the keys that AssumeRole answers with; *parameters* are its own."""
    client = aws.client("sts", region=region, keys=keys)
    role = parameters["RoleArn"]
    answer = attempt(
        aws.credential,
        lambda: client.assume_role(**parameters),
        service=f"STS (asked for {role})",
        login=login,
    )
    return _keys_of(aws, answer)


def assume_with_web_identity(aws: Aws, settings: Settings, identity: Secret) -> Keys:
    """Return the keys of the first role of *settings*, for the token of another issuer."""
    parameters = _parameters(
        settings,
        settings.roles[0],
        aws.credential,
        first=False,
        last=len(settings.roles) == 1,
    )
    return _assume_with_web_identity(
        aws, identity.reveal(), region=settings.region, parameters=parameters
    )


def assume_profile_web_identity(
    aws: Aws, path: str, region: str | None, parameters: Mapping[str, Any]
) -> Keys:
    """Return the keys for the token in the file at *path*, which a profile names."""
    identity = read_file(aws.credential, path, aws.io).strip()
    return _assume_with_web_identity(aws, identity, region=region, parameters=parameters)


def _assume_with_web_identity(
    aws: Aws, identity: str, *, region: str | None, parameters: Mapping[str, Any]
) -> Keys:
    # Not signed: the identity is the proof.
    client = aws.client("sts", region=region)
    answer = attempt(
        aws.credential,
        lambda: client.assume_role_with_web_identity(WebIdentityToken=identity, **parameters),
        service=f"STS (asked for {parameters['RoleArn']})",
        overrides=_WEB_IDENTITY_CODES,
    )
    return _keys_of(aws, answer)


def start_session(
    aws: Aws, keys: Keys, *, region: str | None, duration: int | None, **mfa: str
) -> Keys:
    """Return a session of long-term *keys*, by GetSessionToken, for *duration* seconds.

    *mfa*: `SerialNumber` and `TokenCode`.
    """
    client = aws.client("sts", region=region, keys=keys)
    parameters: dict[str, Any] = dict(mfa)
    if duration is not None:
        parameters["DurationSeconds"] = duration
    answer = attempt(aws.credential, lambda: client.get_session_token(**parameters), service="STS")
    return _keys_of(aws, answer)


def _session_name(settings: Settings, credential: str) -> str:
    """Return the name that CloudTrail shows for the session; 2 to 64 characters (STS)."""
    if settings.role_session_name is not None:
        return settings.role_session_name
    return re.sub(r"[^A-Za-z0-9_+=,.@-]", "-", f"credward-{credential}")[:64]


def _parameters(
    settings: Settings, role: str, credential: str, *, first: bool, last: bool
) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "RoleArn": role,
        "RoleSessionName": _session_name(settings, credential),
    }
    if first and settings.source_identity is not None:
        # It stays with every role reached from here, and may be set once.
        parameters["SourceIdentity"] = settings.source_identity
    if not last:
        return parameters
    optional = {
        "ExternalId": settings.external_id,
        "Policy": settings.session_policy,
        "PolicyArns": [{"arn": arn} for arn in settings.policy_arns],
        "Tags": [{"Key": key, "Value": value} for key, value in settings.session_tags.items()],
        "DurationSeconds": settings.duration_seconds,
    }
    return parameters | {name: value for name, value in optional.items() if value}


def _keys_of(aws: Aws, answer: Any) -> Keys:
    found = members_of(aws.credential, answer, "Credentials", "STS")
    return keys_from_answer(aws.credential, found, "the answer of STS", aws.io.now())
