"""The portal of IAM Identity Center."""

from __future__ import annotations

import json

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.aws.client import Aws
from credward.providers.aws.sso_portal import log_out, role_keys
from credward.providers.provider import HttpResponse
from fakes.io import NOW, FakeIo

MEMBERS = {
    "accessKeyId": "ASIAEXAMPLE",
    "secretAccessKey": "secret",
    "sessionToken": "session",
    "expiration": int((NOW + 3600) * 1000),
}


def portal(body: object, status: int = 200, error: str = "") -> Aws:
    headers = {"x-amzn-errortype": error} if error else {}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    io = FakeIo(server=lambda _: HttpResponse(status=status, headers=headers, body=raw))
    return Aws("deploy", io, timeout=5)


def ask(aws: Aws):
    return role_keys(
        aws,
        canary("access"),
        region="eu-central-1",
        account_id="123456789012",
        role_name="Agent",
        login="credward login deploy",
    )


def test_the_end_comes_in_milliseconds():
    """The token travels in a header, and nothing is signed."""
    aws = portal({"roleCredentials": MEMBERS})
    keys = ask(aws)
    (request,) = aws.io.requests

    assert (keys.access_key_id, keys.expires_at) == ("ASIAEXAMPLE", NOW + 3600)
    assert request.url.startswith("https://portal.sso.eu-central-1.amazonaws.com/federation/")
    assert MARK not in request.url
    assert request.headers["x-amz-sso_bearer_token"].startswith(MARK)
    assert "Authorization" not in request.headers


@pytest.mark.parametrize(
    ("body", "status", "error", "kind"),
    [
        ({}, 401, "UnauthorizedException", Kind.LOGIN_REQUIRED),
        ({}, 403, "ForbiddenException", Kind.FIX_CONFIGURATION),
        ({}, 404, "ResourceNotFoundException", Kind.FIX_CONFIGURATION),
        ({}, 429, "TooManyRequestsException", Kind.RATE_LIMITED),
        (b"<html>", 503, "", Kind.PROVIDER_UNREACHABLE),
        (b"<html>", 200, "", Kind.PROVIDER_REFUSED),
        ({}, 200, "", Kind.PROVIDER_REFUSED),
        ({"roleCredentials": {}}, 200, "", Kind.PROVIDER_REFUSED),
        ({"roleCredentials": MEMBERS | {"expiration": 0}}, 200, "", Kind.PROVIDER_REFUSED),
        ({"roleCredentials": MEMBERS | {"expiration": NOW}}, 200, "", Kind.PROVIDER_REFUSED),
        ({"roleCredentials": MEMBERS | {"expiration": 10**18}}, 200, "", Kind.PROVIDER_REFUSED),
        ({"roleCredentials": MEMBERS | {"secretAccessKey": ""}}, 200, "", Kind.PROVIDER_REFUSED),
    ],
)
def test_t6_what_the_portal_may_answer(body, status, error, kind):
    """Refusals, pages, nothing, keys that are over or were never alive."""
    with pytest.raises(BrokerError) as caught:
        ask(portal(body, status, error))

    assert caught.value.kind is kind
    assert MARK not in f"{caught.value}{caught.value.__context__}"


def test_logs_out():
    """With the same header."""
    aws = portal({})
    log_out(aws, canary("access"), region="eu-central-1")

    assert aws.io.requests[0].url == "https://portal.sso.eu-central-1.amazonaws.com/logout"
