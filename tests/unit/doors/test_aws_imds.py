"""The instance metadata service of EC2: a token first, then roles, keys and facts."""

from __future__ import annotations

import base64
import json

import pytest

from credward.doors.aws_imds import AwsImds, SessionTokens
from credward.settings import aws
from fakes.clock import FakeClock
from unit.administering.services import Services
from unit.doors.endpoint_rig import Answered, asking, credential, send

TTL = "x_aws_ec2_metadata_token_ttl_seconds"
ROLES = "/latest/meta-data/iam/security-credentials/"
NOW = 1_800_000_000.0


@pytest.fixture
def protocol(services: Services) -> AwsImds:
    services.upstream.fixed = json.dumps({"AccessKeyId": "AKIA1", "SecretAccessKey": "s"})
    services.upstream.kind = "aws"
    given = asking(
        services,
        "aws-imds",
        credential("bedrock", aws.Settings(profile="work", region="eu-west-1"), "aws"),
        credential("other", aws.Settings(profile="play"), "aws"),
    )
    return AwsImds(given, services.clock)


async def session(protocol: AwsImds, seconds: str = "60") -> str:
    answer = await send(protocol, "/latest/api/token", method="PUT", **{TTL: seconds})
    assert answer.status == 200
    assert answer.headers[TTL.replace("_", "-")] == seconds
    return answer.text


async def ask(protocol: AwsImds, path: str, **headers: str) -> Answered:
    token = await session(protocol)
    return await send(protocol, path, x_aws_ec2_metadata_token=token, **headers)


async def test_the_first_role_is_the_usual_one(protocol: AwsImds) -> None:
    """SDKs take the first line."""
    assert (await ask(protocol, ROLES)).text == "bedrock\nother"


async def test_a_second_slash_is_of_no_meaning(protocol: AwsImds) -> None:
    """The SDK for Java has one where the variable ends in one, as it must for old command lines."""
    assert (await ask(protocol, f"/{ROLES}")).text == "bedrock\nother"
    assert (await ask(protocol, f"/{ROLES}other")).json()["Code"] == "Success"
    assert (await ask(protocol, f"{ROLES}/other")).status == 404


async def test_keys_are_those_of_the_role(protocol: AwsImds, services: Services) -> None:
    answer = await ask(protocol, f"{ROLES}other")
    assert (answer.json()["Code"], answer.json()["AccessKeyId"]) == ("Success", "AKIA1")
    assert [key.credential for key in services.upstream.mints] == ["other"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/latest/meta-data/placement/region", "eu-west-1"),
        ("/latest/meta-data/placement/availability-zone", "eu-west-1a"),
        ("/latest/meta-data/placement/availability-zone/", "eu-west-1a"),
    ],
)
async def test_the_region_is_that_of_the_usual_credential(
    protocol: AwsImds, path: str, text: str
) -> None:
    assert (await ask(protocol, path)).text == text


async def test_the_document_has_the_region(protocol: AwsImds) -> None:
    answer = await ask(protocol, "/latest/dynamic/instance-identity/document")
    assert answer.json()["region"] == "eu-west-1"


@pytest.mark.parametrize(
    "path", ["/", "/latest/user-data", f"{ROLES}plain", "/latest/meta-data/instance-id"]
)
async def test_what_is_not_known_is_not_found(
    protocol: AwsImds, services: Services, path: str
) -> None:
    assert (await ask(protocol, path)).status == 404
    assert services.upstream.mints == []


@pytest.mark.parametrize("token", ["", "x", "AAAA", base64.b64encode(b"9999999999.a.b").decode()])
async def test_n2_without_a_token_nobody_is_answered(
    protocol: AwsImds, services: Services, token: str
) -> None:
    """Version 1 had none."""
    answer = await send(protocol, f"{ROLES}bedrock", x_aws_ec2_metadata_token=token)
    assert answer.status == 401
    assert services.upstream.mints == []


@pytest.mark.parametrize("seconds", ["0", "21601", "-1", "x", "", "9" * 30])
async def test_a_token_has_a_life(protocol: AwsImds, seconds: str) -> None:
    answer = await send(protocol, "/latest/api/token", method="PUT", **{TTL: seconds})
    assert answer.status == 400


async def test_a_token_ends(protocol: AwsImds, services: Services) -> None:
    token = await session(protocol, "60")
    assert isinstance(services.clock, FakeClock)
    services.clock.advance(61)
    assert (await send(protocol, ROLES, x_aws_ec2_metadata_token=token)).status == 401


async def test_a_token_is_asked_for_by_put(protocol: AwsImds) -> None:
    assert (await send(protocol, "/latest/api/token", **{TTL: "60"})).status == 405


def test_n8_tokens_are_not_kept() -> None:
    """However many are asked for: each proves itself."""
    tokens = SessionTokens()
    many = {tokens.make(NOW + 60) for _ in range(1000)}
    assert len(many) == 1000
    assert all(tokens.holds(each, NOW) for each in many)
    assert set(vars(tokens)) == {"_key"}


def test_tokens_of_another_process_are_not_ours() -> None:
    assert not SessionTokens().holds(SessionTokens().make(NOW + 60), NOW)
