"""Access keys of AWS: read from the shapes in which they come, checked, and made a token.

Makes no requests; `provider` gets the keys and names their source in messages.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from credward.errors import BrokerError, Kind
from credward.tokens import Secret, Token

__all__ = [
    "Keys",
    "keys_from_answer",
    "keys_from_text",
    "known_end",
    "members_of",
    "token_of",
]

# Sessions end within a day and a half (GetSessionToken, 129600 s); ten years are a mistake.
_HORIZON = 315_360_000.0
# Where the keys are in the output of the AWS command line (`sts …`, `iam create-access-key`).
_WRAPPERS = ("Credentials", "AccessKey")


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """One pair of keys. *expires_at* (Unix seconds) is None if the source gives no end.

    *session_token* None: long-term keys of a user.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    expires_at: float | None = None

    def __repr__(self) -> str:
        return f"Keys({self.access_key_id})"


def keys_from_text(credential: str, text: str, source: str, now: float) -> Keys:
    """Return the keys in a JSON text: those of `credential_process`, and of `aws sts …`.

    *source* names where it came from. Raise `provider-refused` for anything else.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        found = next((found[name] for name in _WRAPPERS if name in found), found)
    if not isinstance(found, dict):
        raise _unusable(credential, f"{source} has no AWS keys in JSON")
    return keys_from_answer(credential, found, source, now, ends=False)


def members_of(credential: str, answer: object, member: str, service: str) -> dict[str, Any]:
    """Return the object in which an answer of *service* holds keys, or raise `provider-refused`."""
    found = answer.get(member) if isinstance(answer, dict) else None
    if isinstance(found, dict):
        return found
    raise BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{credential}" got no token, {service} answered without keys: check the network\'s proxy',
        sent="maybe",
    )


def keys_from_answer(
    credential: str, answer: Mapping[str, Any], source: str, now: float, *, ends: bool = True
) -> Keys:
    """Return the keys of *answer*, checked; *ends*: they must say when they do.

    Raise `provider-refused` where they are incomplete, over, or without an end that is one.
    """
    access_key_id, secret_access_key = answer.get("AccessKeyId"), answer.get("SecretAccessKey")
    session_token = answer.get("SessionToken") or None
    words = [access_key_id, secret_access_key, *([session_token] if session_token else [])]
    if not all(isinstance(word, str) and word.isascii() and word.isprintable() for word in words):
        raise _unusable(credential, f"{source} has no AWS keys")
    if not access_key_id or not secret_access_key or (ends and session_token is None):
        raise _unusable(credential, f"{source} has incomplete AWS keys")
    return Keys(
        access_key_id=str(access_key_id),
        secret_access_key=str(secret_access_key),
        session_token=None if session_token is None else str(session_token),
        expires_at=_read_end(credential, answer.get("Expiration"), source, now, ends=ends),
    )


def known_end(credential: str, keys: Keys) -> float:
    """Return when *keys* end, infinity for long-term ones; raise if a session has no end."""
    if keys.expires_at is not None:
        return keys.expires_at
    if keys.session_token is None:
        return math.inf
    # Without an end, callers would keep them for ever, and so would we.
    raise BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{credential}" got no token, its session has no expiry: set role_arn, or '
        "have its source say Expiration",
    )


def token_of(keys: Keys, now: float) -> Token:
    """Return the keys as a token of kind `aws`; the access key id names it in CloudTrail."""
    members = {"AccessKeyId": keys.access_key_id, "SecretAccessKey": keys.secret_access_key}
    if keys.session_token is not None:
        members["SessionToken"] = keys.session_token
    return Token(
        secret=Secret(json.dumps(members, separators=(",", ":"))),
        kind="aws",
        issued_at=now,
        expires_at=keys.expires_at,
        upstream_id=keys.access_key_id,
    )


def _read_end(
    credential: str, value: object, source: str, now: float, *, ends: bool
) -> float | None:
    if value is None and not ends:
        return None
    expires_at: float | None = None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            expires_at = moment.timestamp()
    except (ValueError, OverflowError):
        pass
    if expires_at is None:
        raise _unusable(credential, f"{source} gives no expiry for its AWS keys")
    if expires_at <= now:
        raise _unusable(credential, f"{source} has AWS keys that have expired already")
    if expires_at > now + _HORIZON:
        raise _unusable(credential, f"{source} has AWS keys that expire in more than ten years")
    return expires_at


def _unusable(credential: str, problem: str) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{credential}" got no token, {problem}: correct the source',
        sent="maybe",
    )
