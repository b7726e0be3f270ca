"""Derived tokens, against signatures that botocore computes by itself."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import botocore.auth
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from credward.errors import BrokerError, Kind
from credward.providers.aws.client import Aws
from credward.providers.aws.derived import derive
from credward.providers.aws.keys import Keys
from credward.providers.provider import HttpResponse
from credward.settings.aws import Settings
from credward.settings.references import Reference
from fakes.io import NOW, FakeIo

REGION = "eu-central-1"


def keys(*, session: str | None = "session/token+=", life: float | None = 3600.0) -> Keys:
    return Keys(
        access_key_id="ASIAEXAMPLE",
        secret_access_key="wJalr/XUtn+FEMI",
        session_token=session,
        expires_at=None if life is None else NOW + life,
    )


def token(kind, found=None, *, io=None, region=REGION, **words):
    if kind == "eks":
        words["cluster_name"] = "prod"
    settings = Settings(source=Reference(env="K"), derive=kind, region=region, **words)
    return derive(Aws("deploy", io or FakeIo(), timeout=5), kind, settings, found or keys(), region)


@pytest.fixture
def frozen(monkeypatch):
    """Stop botocore's clock at NOW."""
    monkeypatch.setattr(
        botocore.auth,
        "get_current_datetime",
        lambda **_: datetime.fromtimestamp(NOW, UTC).replace(tzinfo=None),
    )


def by_botocore(method, url, found, service, expires, **headers):
    """Return the query of a URL that botocore signed."""
    request = AWSRequest(method=method, url=url.partition("?")[0], headers=headers)
    request.params = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
    credentials = Credentials(found.access_key_id, found.secret_access_key, found.session_token)
    SigV4QueryAuth(credentials, service, REGION, expires=expires).add_auth(request)
    return parse_qs(urlsplit(request.url).query)


@pytest.mark.parametrize(
    ("kind", "service"),
    [("bedrock-api-key", "bedrock"), ("claude-platform-key", "aws-external-anthropic")],
)
@pytest.mark.parametrize("found", [keys(), keys(session=None, life=None)])
def test_platform_keys_have_the_signature_of_botocore(frozen, kind, service, found):
    """Of a presigned POST, in base64, with the prefix of the service and a version."""
    text = token(kind, found).secret.reveal()
    url = base64.b64decode(text.removeprefix(f"{service}-api-key-")).decode()
    signed, version = url.rsplit("&", 1)
    life = 43_200 if found.expires_at is None else 3600
    expected = by_botocore(
        "POST",
        f"https://{service}.amazonaws.com/?Action=CallWithBearerToken",
        found,
        service,
        life,
        host=f"{service}.amazonaws.com",
    )

    assert text.startswith(f"{service}-api-key-")
    assert version == "Version=1"
    assert url.startswith(f"{service}.amazonaws.com/?Action=CallWithBearerToken&")
    assert parse_qs(urlsplit(f"https://{signed}").query) == expected


def test_a_cluster_token_has_the_signature_of_botocore(frozen):
    """Of a presigned GetCallerIdentity with the cluster's name in a signed header."""
    text = token("eks").secret.reveal().removeprefix("k8s-aws-v1.")
    url = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    expected = by_botocore(
        "GET",
        f"https://sts.{REGION}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
        keys(),
        "sts",
        60,
        **{"x-k8s-aws-id": "prod"},
    )

    assert not text.endswith("=")
    assert url.startswith(f"https://sts.{REGION}.amazonaws.com/?")
    assert parse_qs(urlsplit(url).query) == expected


@pytest.mark.parametrize(
    ("kind", "life", "duration", "expected"),
    [
        ("bedrock-api-key", 3600.0, None, 3600),
        ("bedrock-api-key", 100_000.0, None, 43_200),
        ("bedrock-api-key", 3600.9, None, 3600),
        ("bedrock-api-key", 3600.0, 900, 900),
        ("bedrock-api-key", 300.0, 900, 300),
        ("eks", 3600.0, None, 840),
        ("eks", 60.0, None, 60),
    ],
)
def test_lives_as_long_as_the_shortest(kind, life, duration, expected):
    """Of the service's limit, the wish, and the keys."""
    made = token(kind, keys(life=life), duration_seconds=duration)

    assert made.expires_at - NOW == expected
    assert (made.kind, made.issued_at, made.upstream_id) == ("bearer", NOW, "ASIAEXAMPLE")


@pytest.mark.parametrize("kind", ["bedrock-api-key", "claude-platform-key", "eks"])
def test_nothing_is_derived_from_keys_of_unknown_end(kind):
    """Its own end would be a guess."""
    with pytest.raises(BrokerError, match="has no expiry") as caught:
        token(kind, keys(life=None))

    assert caught.value.kind is Kind.FIX_CONFIGURATION


def registry(**changes):
    data = {
        "authorizationToken": base64.b64encode(b"AWS:password").decode(),
        "expiresAt": NOW + 43_200,
        "proxyEndpoint": "https://012345678901.dkr.ecr.eu-central-1.amazonaws.com",
    }
    body = json.dumps({"authorizationData": [data | changes]}).encode()

    def server(request):
        assert request.headers["X-Amz-Target"].endswith(".GetAuthorizationToken")
        assert "/ecr/aws4_request" in request.headers["Authorization"]
        return HttpResponse(status=200, headers={}, body=body)

    return FakeIo(server=server)


def test_a_registry_password_comes_from_ecr():
    """With the user's name before it; it ends with the keys behind it."""
    io = registry()
    made = token("ecr", io=io, registry="012345678901")

    assert (made.kind, made.secret.reveal()) == ("basic", "AWS:password")
    assert made.expires_at == NOW + 3600
    assert json.loads(io.requests[0].body) == {"registryIds": ["012345678901"]}
    assert io.requests[0].url == "https://api.ecr.eu-central-1.amazonaws.com/"


@pytest.mark.parametrize(
    "changes",
    [
        {"authorizationToken": ""},
        {"authorizationToken": "%%%"},
        {"authorizationToken": base64.b64encode(b"no colon").decode()},
        {"expiresAt": NOW - 1},
        {"expiresAt": None},
    ],
)
def test_t6_refuses_a_password_that_is_none(changes):
    """Nor one that is over."""
    with pytest.raises(BrokerError, match="no valid password") as caught:
        token("ecr", io=registry(**changes))

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_REFUSED, "maybe")
