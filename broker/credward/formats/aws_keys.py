"""AWS keys in the shapes of their consumers: credential_process, container endpoint, IMDS, Claude.

Each differs only in names (AWS SDKs and Tools Reference Guide, "Process credential provider" and
"Container credential provider"; EC2 User Guide, "Retrieve security credentials"; Claude Code,
"Advanced credential configuration" of Amazon Bedrock).
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from credward.errors import BrokerError, Kind
from credward.formats.shape import Shaped, ShapeRequest
from credward.tokens import Token

__all__ = [
    "MIN_REMAINING",
    "AwsKeys",
    "container_answer",
    "imds_answer",
    "keys_of",
    "shape_export",
    "shape_process",
    "written",
]

# botocore asks at each use in the last 15 minutes of a session, and Claude Code keeps one with 6
# minutes left for an hour, so those are not handed out if the role lasts longer (seconds).
MIN_REMAINING = 16 * 60.0


class AwsKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The three parts of a session, and when it ends (RFC 3339, UTC)."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: str

    def __repr__(self) -> str:
        return "AwsKeys(***)"


# Keys that do not end are asked for again after this long (seconds).
_UNKNOWN = 3600.0


class _Parts(msgspec.Struct, frozen=True, kw_only=True):
    AccessKeyId: str
    SecretAccessKey: str
    SessionToken: str = ""


def keys_of(token: Token, credential: str, now: float) -> AwsKeys:
    """Return the keys of *token*; raises `fix-configuration` if it has none.

    Keys without an end get one, an hour from *now*: clients would keep them for good. No other end
    is changed: SDKs come back 5 to 15 minutes before it, and are served a newer token by then.
    """
    if token.kind != "aws":
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{credential}" hands out a token of kind {token.kind}, not AWS keys: '
            "name a credential that has them",
        )
    parts = msgspec.json.decode(token.secret.reveal(), type=_Parts)
    return AwsKeys(
        access_key_id=parts.AccessKeyId,
        secret_access_key=parts.SecretAccessKey,
        session_token=parts.SessionToken,
        expiration=written(now + _UNKNOWN if token.expires_at is None else token.expires_at),
    )


def shape_process(token: Token, shape_request: ShapeRequest) -> Shaped:
    """Return what a `credential_process` prints: format `aws-process`."""
    keys = keys_of(token, shape_request.credential, shape_request.now)
    return _shaped({"Version": 1, **_session(keys)})


def shape_export(token: Token, shape_request: ShapeRequest) -> Shaped:
    """Return what `aws sts` prints, for Claude Code's `awsCredentialExport`: format `aws-export`.

    It takes no keys without a session token, and does not say why: they are `fix-configuration`.
    """
    keys = keys_of(token, shape_request.credential, shape_request.now)
    if not keys.session_token:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{shape_request.credential}" hands out keys without a session token, which Claude '
            f"Code does not take: set role_arn in [credentials.{shape_request.credential}]",
        )
    return _shaped({"Credentials": _session(keys)})


def container_answer(token: Token, credential: str, now: float) -> bytearray:
    """Return what the container endpoint answers: the session token is called `Token`."""
    keys = keys_of(token, credential, now)
    return _encoded(
        {
            "AccessKeyId": keys.access_key_id,
            "SecretAccessKey": keys.secret_access_key,
            "Token": keys.session_token,
            "Expiration": keys.expiration,
        }
    )


def imds_answer(token: Token, credential: str, now: float) -> bytearray:
    """Return what the instance metadata service answers for a role."""
    keys = keys_of(token, credential, now)
    return _encoded(
        {
            "Code": "Success",
            "LastUpdated": written(token.issued_at),
            "Type": "AWS-HMAC",
            "AccessKeyId": keys.access_key_id,
            "SecretAccessKey": keys.secret_access_key,
            "Token": keys.session_token,
            "Expiration": keys.expiration,
        }
    )


def written(at: float) -> str:
    """Return an instant as AWS writes it: whole seconds, UTC (RFC 3339)."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _session(keys: AwsKeys) -> dict[str, object]:
    """Return the members under the names of `aws sts`; no session token: none is named."""
    named = {
        "AccessKeyId": keys.access_key_id,
        "SecretAccessKey": keys.secret_access_key,
        "SessionToken": keys.session_token,
        "Expiration": keys.expiration,
    }
    return {name: value for name, value in named.items() if value}


def _shaped(record: dict[str, object]) -> Shaped:
    body = bytearray(msgspec.json.encode(record))
    body += b"\n"
    return Shaped(body=body, content_type="application/json")


def _encoded(record: dict[str, str]) -> bytearray:
    return bytearray(msgspec.json.encode(record))
