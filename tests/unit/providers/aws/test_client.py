"""Clients of botocore over our transport."""

from __future__ import annotations

import re
import traceback
from datetime import UTC, datetime

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.aws.client import Aws, attempt
from credward.providers.aws.keys import Keys
from credward.providers.aws.roles import assume
from credward.providers.provider import HttpResponse
from fakes.io import NOW, FakeIo

KEYS = Keys(access_key_id="AKIAEXAMPLE", secret_access_key=canary("key"))
ROLE = "arn:aws:iam::123456789012:role/deploy"


def answer(expiration: str | None = None, **changes: str) -> bytes:
    """Return the XML of AssumeRole."""
    ends = expiration or datetime.fromtimestamp(NOW + 3600, UTC).isoformat()
    members = {
        "AccessKeyId": "ASIAEXAMPLE",
        "SecretAccessKey": canary("answer"),
        "SessionToken": "session",
        "Expiration": ends,
    } | changes
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in members.items() if value)
    return (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
        f"<Credentials>{inner}</Credentials></AssumeRoleResult></AssumeRoleResponse>"
    ).encode()


def ask(body: bytes, status: int = 200, **headers: str) -> tuple[Keys, FakeIo]:
    io = FakeIo(server=lambda _: HttpResponse(status=status, headers=headers, body=body))
    aws = Aws("deploy", io, timeout=5)
    return assume(aws, KEYS, region=None, RoleArn=ROLE, RoleSessionName="agents"), io


def test_sends_by_the_one_transport():
    """Signed, whole, with our timeout, and once."""
    keys, io = ask(answer())
    (request,) = io.requests

    assert keys.expires_at == NOW + 3600
    assert (request.method, request.url) == ("POST", "https://sts.amazonaws.com/")
    assert b"RoleSessionName=agents" in request.body
    assert request.timeout == 5
    assert re.search(r"Credential=AKIAEXAMPLE/\d+/us-east-1/sts", request.headers["Authorization"])


def test_an_endpoint_of_the_environment_is_used():
    """That of the service first; private networks have their own."""
    environ = {"AWS_ENDPOINT_URL": "https://aws.corp", "AWS_ENDPOINT_URL_STS": "https://sts.corp"}
    aws = Aws("c", FakeIo(environ=environ), timeout=5)

    assert (aws.endpoint("sts"), aws.endpoint("sso-oidc")) == (
        "https://sts.corp",
        "https://aws.corp",
    )
    assert aws.client("sts", region=None, keys=KEYS).meta.endpoint_url == "https://sts.corp"
    assert Aws("c", FakeIo(), timeout=5).endpoint("sts") is None


PAGE = b"<!doctype html><title>Sign in</title>" + canary("page").encode()
REFUSAL = b"<ErrorResponse><Error><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>"


@pytest.mark.parametrize(
    ("body", "status", "kind", "sent"),
    [
        (PAGE, 200, Kind.PROVIDER_REFUSED, "maybe"),
        (b"", 200, Kind.PROVIDER_REFUSED, "maybe"),
        (b"{}", 200, Kind.PROVIDER_REFUSED, "maybe"),
        (b"<AssumeRoleResponse/>", 200, Kind.PROVIDER_REFUSED, "maybe"),
        (answer()[:200], 200, Kind.PROVIDER_REFUSED, "maybe"),
        (answer("2001-01-01T00:00:00Z"), 200, Kind.PROVIDER_REFUSED, "maybe"),
        (answer(canary("end")), 200, Kind.PROVIDER_REFUSED, "maybe"),
        (answer("9999-01-01T00:00:00Z"), 200, Kind.PROVIDER_REFUSED, "maybe"),
        (answer(SessionToken=""), 200, Kind.PROVIDER_REFUSED, "maybe"),
        (PAGE, 302, Kind.PROVIDER_REFUSED, "maybe"),
        (PAGE, 403, Kind.PROVIDER_REFUSED, "maybe"),
        (PAGE, 503, Kind.PROVIDER_UNREACHABLE, "maybe"),
        (b"", 500, Kind.PROVIDER_UNREACHABLE, "maybe"),
        (REFUSAL % (b"AccessDenied", canary("x").encode()), 403, Kind.FIX_CONFIGURATION, "no"),
        (REFUSAL % (b"Throttling", canary("x").encode()), 400, Kind.RATE_LIMITED, "no"),
    ],
)
def test_t6_bad_answers_are_refused_after_one_attempt(body, status, kind, sent):
    """A page with 200, nothing, half, over, without an end; and never a second try."""
    io = FakeIo(server=lambda _: HttpResponse(status=status, headers={}, body=body))
    with pytest.raises(BrokerError) as caught:
        assume(
            Aws("deploy", io, timeout=5), KEYS, region=None, RoleArn=ROLE, RoleSessionName="agents"
        )

    error = caught.value
    assert (error.kind, error.failure.sent) == (kind, sent)
    assert len(io.requests) == 1
    shown = f"{error}{error.failure.hint}{error.__cause__}{error.__context__}"
    assert MARK not in shown + "".join(traceback.format_exception_only(error))


@pytest.mark.parametrize("sent", ["no", "maybe"])
def test_t6_a_failure_of_the_transport_comes_through(sent):
    """As it is: a hang ends by the transport's timeout, and whether it was sent is its word."""
    failure = BrokerError(Kind.TIMED_OUT, '"deploy" got no token, sts did not answer', sent=sent)

    def server(_):
        raise failure

    io = FakeIo(server=server)
    with pytest.raises(BrokerError) as caught:
        assume(
            Aws("deploy", io, timeout=5), KEYS, region=None, RoleArn=ROLE, RoleSessionName="agents"
        )

    assert caught.value is failure
    assert len(io.requests) == 1


def test_h3_what_was_sent_is_in_no_message():
    """Botocore quotes a parameter that does not fit."""
    secret = canary("identity")
    client = Aws("deploy", FakeIo(), timeout=5).client("sts", region=None)
    with pytest.raises(BrokerError) as caught:
        attempt(
            "deploy",
            lambda: client.assume_role_with_web_identity(WebIdentityToken=[secret]),
            service="STS",
        )

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert secret not in f"{caught.value}{caught.value.__context__}"
