"""Keys of an EC2 instance's role."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.aws.client import Aws
from credward.providers.aws.metadata import instance_keys
from credward.providers.aws.provider import AwsProvider
from credward.providers.provider import HttpResponse, ProviderRequest
from credward.settings.aws import Settings
from fakes.io import NOW, FakeIo

KEYS = {
    "Code": "Success",
    "Type": "AWS-HMAC",
    "AccessKeyId": "ASIAINSTANCE",
    "SecretAccessKey": canary("secret"),
    "Token": canary("session"),
    "Expiration": datetime.fromtimestamp(NOW + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
}


class Instance:
    """The metadata service: no answer without a session of IMDSv2."""

    def __init__(self, **answers: tuple[int, object]) -> None:
        self.answers = answers
        self.token = canary("imds")

    def __call__(self, request) -> HttpResponse:
        path = request.url.removeprefix("http://169.254.169.254/latest/")
        if path == "api/token":
            assert request.method == "PUT"
            assert int(request.headers["X-aws-ec2-metadata-token-ttl-seconds"]) >= 1
            return self.answer("token", self.token)
        if request.headers.get("X-aws-ec2-metadata-token") != self.token:
            return HttpResponse(status=401, headers={}, body=b"")
        match path:
            case "meta-data/iam/security-credentials/":
                return self.answer("roles", "agent-role")
            case "meta-data/iam/security-credentials/agent-role":
                return self.answer("keys", KEYS)
            case _:
                return HttpResponse(status=404, headers={}, body=b"")

    def answer(self, name: str, usual: object) -> HttpResponse:
        status, body = self.answers.get(name, (200, usual))
        text = body if isinstance(body, str) else json.dumps(body)
        return HttpResponse(status=status, headers={}, body=text.encode())


def test_the_role_of_the_instance():
    """By a session, the role's name, and its keys; one request each, soon given up."""
    io = FakeIo(server=Instance())
    token = AwsProvider().mint(
        ProviderRequest(
            credential="deploy", settings=Settings(credential_source="Ec2InstanceMetadata")
        ),
        io,
    )

    assert (token.upstream_id, token.expires_at) == ("ASIAINSTANCE", NOW + 3600)
    assert [request.method for request in io.requests] == ["PUT", "GET", "GET"]
    assert {request.timeout for request in io.requests} == {2.0}


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"token": (403, "")}, Kind.FIX_CONFIGURATION),
        ({"token": (200, "")}, Kind.PROVIDER_REFUSED),
        ({"token": (200, "<html>\n</html>")}, Kind.PROVIDER_REFUSED),
        ({"token": (500, "")}, Kind.PROVIDER_UNREACHABLE),
        ({"roles": (404, "")}, Kind.FIX_CONFIGURATION),
        ({"roles": (200, "")}, Kind.PROVIDER_REFUSED),
        ({"roles": (200, "../../x")}, Kind.PROVIDER_REFUSED),
        ({"roles": (429, "")}, Kind.RATE_LIMITED),
        ({"keys": (200, "<html>")}, Kind.PROVIDER_REFUSED),
        ({"keys": (200, KEYS | {"Code": "Failed"})}, Kind.PROVIDER_REFUSED),
        ({"keys": (200, KEYS | {"Token": ""})}, Kind.PROVIDER_REFUSED),
        ({"keys": (200, KEYS | {"Expiration": None})}, Kind.PROVIDER_REFUSED),
        ({"keys": (200, KEYS | {"Expiration": "2001-01-01T00:00:00Z"})}, Kind.PROVIDER_REFUSED),
    ],
)
def test_t6_what_it_may_answer(answers, kind):
    """Switched off, without a role, zero values, keys that are over."""
    with pytest.raises(BrokerError) as caught:
        instance_keys(Aws("deploy", FakeIo(server=Instance(**answers)), timeout=5))

    assert caught.value.kind is kind
    assert MARK not in f"{caught.value}{caught.value.__context__}"
