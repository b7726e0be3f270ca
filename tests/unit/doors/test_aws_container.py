"""The endpoint of containers: several credentials by path, one secret."""

from __future__ import annotations

import json

import pytest

from credward.doors.aws_container import AwsContainer
from credward.errors import BrokerError, Kind
from credward.settings import aws
from credward.tokens import Secret
from unit.administering.services import Services
from unit.doors.endpoint_rig import asking, credential, send

KEYS = {"AccessKeyId": "AKIA1", "SecretAccessKey": "s", "SessionToken": "t"}


@pytest.fixture
def protocol(services: Services) -> AwsContainer:
    services.upstream.fixed = json.dumps(KEYS)
    services.upstream.kind = "aws"
    settings = aws.Settings(profile="work")
    given = asking(
        services,
        "aws-container",
        credential("bedrock", settings, "aws"),
        credential("other", settings, "aws"),
    )
    return AwsContainer(given, Secret("sesame"), services.clock)


@pytest.mark.parametrize(
    ("path", "name"), [("/", "bedrock"), ("/bedrock", "bedrock"), ("/other", "other")]
)
async def test_the_path_names_the_credential(
    protocol: AwsContainer, services: Services, path: str, name: str
) -> None:
    answer = await send(protocol, path, authorization="sesame")
    assert answer.json()["AccessKeyId"] == "AKIA1"
    assert [key.credential for key in services.upstream.mints] == [name]


@pytest.mark.parametrize("path", ["/plain", "/bedrock/x", "/../other"])
async def test_no_other_credential_is_reached(
    protocol: AwsContainer, services: Services, path: str
) -> None:
    assert (await send(protocol, path, authorization="sesame")).status == 404
    assert services.upstream.mints == []


@pytest.mark.parametrize("said", ["", "wrong", "Bearer sesame", "sesame "])
async def test_n2_the_secret_is_needed(
    protocol: AwsContainer, services: Services, said: str
) -> None:
    answer = await send(protocol, "/", authorization=said)
    assert answer.status == 401
    assert "credward status --endpoints" in answer.json()["message"]
    assert services.upstream.mints == []


async def test_a_failure_has_the_members_that_sdks_show(
    protocol: AwsContainer, services: Services
) -> None:
    services.upstream.failure = BrokerError(Kind.LOGIN_REQUIRED, '"bedrock" needs a login')
    answer = await send(protocol, "/", authorization="sesame")
    assert answer.status == 401
    assert answer.json() == {"code": "login-required", "message": '"bedrock" needs a login'}
