"""Tokens derived from AWS keys: for Bedrock, the Claude Platform, container registries, clusters.

All but the registry's are signed here without asking anybody; `provider` says where keys come from.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, assert_never
from urllib.parse import quote

from credward.errors import BrokerError, Kind
from credward.providers.aws.client import Aws, attempt
from credward.providers.aws.keys import Keys, known_end
from credward.settings.aws import Derived, Settings
from credward.tokens import Secret, Token

__all__ = ["derive", "presign"]

# The longest that a presigned key lives (Bedrock and Claude Platform user guides), in seconds.
_KEY_LIMIT = 43_200
# A cluster accepts the token for 15 minutes after its signature, whatever X-Amz-Expires says
# (aws-iam-authenticator, "API authorization"); the AWS command line announces 14.
_CLUSTER_LIFETIME = 840
_CLUSTER_EXPIRES = 60
_ALGORITHM = "AWS4-HMAC-SHA256"


def derive(aws: Aws, kind: Derived, settings: Settings, keys: Keys, region: str) -> Token:
    """Return the token of *kind* for *keys*, whose life is the shortest of all that it hangs on."""
    now = aws.io.now()
    match kind:
        case "bedrock-api-key":
            return _platform_key(aws, settings, keys, region, "bedrock")
        case "claude-platform-key":
            return _platform_key(aws, settings, keys, region, "aws-external-anthropic")
        case "eks":
            host = f"sts.{region}.{_suffix(region)}"
            url = presign(
                "GET",
                host,
                {"Action": "GetCallerIdentity", "Version": "2011-06-15"},
                keys,
                service="sts",
                region=region,
                now=now,
                lifetime=_CLUSTER_EXPIRES,
                headers={"x-k8s-aws-id": settings.cluster_name or ""},
            )
            encoded = base64.urlsafe_b64encode(f"https://{url}".encode()).decode().rstrip("=")
            end = min(now + _CLUSTER_LIFETIME, known_end(aws.credential, keys))
            return _token(f"k8s-aws-v1.{encoded}", keys, now, end)
        case "ecr":
            return _registry_password(aws, settings, keys, region)
        case _:
            assert_never(kind)


def presign(
    method: str,
    host: str,
    query: Mapping[str, str],
    keys: Keys,
    *,
    service: str,
    region: str,
    now: float,
    lifetime: int,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Return the presigned URL of `/` at *host*, without its scheme, good for *lifetime* seconds.

    Signature Version 4 in the query, of an empty body (AWS, "Create a signed request").
    """
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    signed = {"host": host, **(headers or {})}
    names = ";".join(sorted(signed))
    parameters = {
        **query,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{keys.access_key_id}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(lifetime),
        "X-Amz-SignedHeaders": names,
    }
    if keys.session_token is not None:
        parameters["X-Amz-Security-Token"] = keys.session_token
    text = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(parameters.items())
    )
    canonical = "\n".join(
        [
            method,
            "/",
            text,
            *(f"{name}:{value}" for name, value in sorted(signed.items())),
            "",
            names,
            hashlib.sha256(b"").hexdigest(),
        ]
    )
    to_sign = "\n".join([_ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return f"{host}/?{text}&X-Amz-Signature={signature}"


def _platform_key(aws: Aws, settings: Settings, keys: Keys, region: str, service: str) -> Token:
    """Return a short-term key of *service*; both services make theirs in the same way."""
    now = aws.io.now()
    longest = _KEY_LIMIT
    if not settings.roles:
        longest = min(longest, settings.duration_seconds or longest)
    # The signature counts from a whole second.
    lifetime = int(min(longest, known_end(aws.credential, keys) - int(now)))
    url = presign(
        "POST",
        f"{service}.amazonaws.com",
        {"Action": "CallWithBearerToken"},
        keys,
        service=service,
        region=region,
        now=now,
        lifetime=max(1, lifetime),
    )
    encoded = base64.b64encode(f"{url}&Version=1".encode()).decode()
    return _token(f"{service}-api-key-{encoded}", keys, now, float(int(now) + lifetime))


def _registry_password(aws: Aws, settings: Settings, keys: Keys, region: str) -> Token:
    """Return user and password of the registry, by GetAuthorizationToken of ECR."""
    client = aws.client("ecr", region=region, keys=keys)
    parameters = {"registryIds": [settings.registry]} if settings.registry else {}
    answer = attempt(
        aws.credential, lambda: client.get_authorization_token(**parameters), service="ECR"
    )
    now = aws.io.now()
    password, expires_at = _read_authorization(answer)
    if password is None or expires_at is None or expires_at <= now:
        raise BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{aws.credential}" got no token, ECR sent no valid password: '
            "check for a proxy in between",
            sent="maybe",
        )
    end = min(expires_at, known_end(aws.credential, keys))
    return _token(password, keys, now, end, kind="basic")


def _read_authorization(answer: Any) -> tuple[str | None, float | None]:
    """Return what is in the answer as `user:password`, and its end."""
    match answer:
        case {
            "authorizationData": [
                {"authorizationToken": str(encoded), "expiresAt": datetime() as ends},
                *_,
            ]
        }:
            try:
                text = base64.b64decode(encoded, validate=True).decode("ascii")
            except ValueError:
                return None, None
            return (text if ":" in text and text.isprintable() else None), ends.timestamp()
        case _:
            return None, None


def _token(text: str, keys: Keys, now: float, end: float, *, kind: Any = "bearer") -> Token:
    return Token(
        secret=Secret(text),
        kind=kind,
        issued_at=now,
        expires_at=end,
        upstream_id=keys.access_key_id,
    )


def _suffix(region: str) -> str:
    """Return the domain of the partition that *region* is in."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
