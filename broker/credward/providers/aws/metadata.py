"""Asks the metadata service of an EC2 instance for the keys of its role, by IMDSv2.

The address is fixed: a variable that moves it may point at a door of ours. What is made of the keys
is `provider`; the protocol: EC2 user guide, "Retrieve security credentials" and "Use IMDSv2".
"""

from __future__ import annotations

import json
import re

from credward.errors import BrokerError, Kind
from credward.providers.aws.client import Aws
from credward.providers.aws.keys import Keys, keys_from_answer
from credward.providers.provider import HttpRequest, HttpResponse
from credward.providers.retry_after import read_retry_after

__all__ = ["instance_keys"]

_URL = "http://169.254.169.254"
_ROLES = "/latest/meta-data/iam/security-credentials/"
# It is on this host: elsewhere nobody answers, so a short wait is enough (seconds).
_TIMEOUT = 2.0
# For the three requests of one mint; nobody else sees the session.
_SESSION_TTL = "60"
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


def instance_keys(aws: Aws) -> Keys:
    """Return the keys of the instance's role, with their end."""
    session = _ask(
        aws, "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": _SESSION_TTL}
    )
    token = _text(session)
    if not token or not token.isprintable():
        raise _refused(aws, "gave no session")
    headers = {"X-aws-ec2-metadata-token": token}
    role = _text(_ask(aws, "GET", _ROLES, headers)).partition("\n")[0]
    if not _ROLE_NAME.fullmatch(role):
        raise _refused(aws, "named no role")
    try:
        found = json.loads(_ask(aws, "GET", f"{_ROLES}{role}", headers).body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("Code") != "Success":
        raise _refused(aws, "has no keys of the role")
    members = {**found, "SessionToken": found.get("Token")}
    return keys_from_answer(aws.credential, members, "the metadata service", aws.io.now())


def _ask(aws: Aws, method: str, path: str, headers: dict[str, str]) -> HttpResponse:
    response = aws.io.send(
        HttpRequest(
            method=method,
            url=f"{_URL}{path}",
            headers=headers,
            timeout=min(_TIMEOUT, aws.remaining()),
        )
    )
    match response.status:
        case 200:
            return response
        case 401 | 403:
            problem = "is switched off: switch IMDSv2 on for this instance"
        case 404:
            problem = "knows no role: attach an instance profile"
        case 429:
            raise BrokerError(
                Kind.RATE_LIMITED,
                f'"{aws.credential}" got no token, the metadata service asks for fewer requests: '
                "retrying by itself",
                retry_after=read_retry_after(response.headers, aws.io.now()),
            )
        case status:
            raise BrokerError(
                Kind.PROVIDER_UNREACHABLE,
                f'"{aws.credential}" got no token, the metadata service is in trouble '
                f"(HTTP {status}): retrying by itself",
                sent="maybe",
            )
    raise BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{aws.credential}" got no token, the metadata service {problem}',
    )


def _text(response: HttpResponse) -> str:
    return response.body.decode("ascii", "replace").strip()


def _refused(aws: Aws, problem: str) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{aws.credential}" got no token, the metadata service {problem}: '
        "look at the instance's role",
        sent="maybe",
    )
