"""The words in which roles are assumed; that the keys work is tests/integration/test_aws."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from credward.errors import BrokerError, Kind
from credward.providers.aws.client import Aws
from credward.providers.aws.keys import Keys
from credward.providers.aws.roles import (
    assume_roles,
    assume_with_web_identity,
    start_session,
)
from credward.providers.provider import HttpResponse
from credward.settings.aws import Settings
from credward.settings.references import Reference
from credward.tokens import Secret
from fakes.io import NOW, FakeIo

ROLES = [f"arn:aws:iam::123456789012:role/{name}" for name in ("one", "two", "three")]
KEYS = Keys(access_key_id="AKIAEXAMPLE", secret_access_key="secret")


def sts(*, code: str | None = None) -> FakeIo:
    """Return a world in which STS hands out numbered keys."""

    def server(request):
        if code is not None:
            body = f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"
            return HttpResponse(status=400, headers={}, body=body.encode())
        action = words(request)["Action"]
        ends = datetime.fromtimestamp(NOW + 3600, UTC).isoformat()
        body = (
            f"<{action}Response><{action}Result><Credentials>"
            f"<AccessKeyId>ASIA{len(io.requests)}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            f"<SessionToken>t</SessionToken><Expiration>{ends}</Expiration>"
            f"</Credentials></{action}Result></{action}Response>"
        )
        return HttpResponse(status=200, headers={}, body=body.encode())

    io = FakeIo(server=server)
    return io


def words(request) -> dict[str, str]:
    return {name: value[0] for name, value in parse_qs(request.body.decode()).items()}


def settings(**words_) -> Settings:
    words_.setdefault("source", Reference(env="K"))
    return Settings(role_arn=ROLES[2], chain=tuple(ROLES[:2]), **words_)


def test_a_chain_takes_one_step_after_another():
    """Each signed by the keys of the step before; what narrows is for the last one."""
    io = sts()
    keys = assume_roles(
        Aws("my cred", io, timeout=5),
        settings(
            external_id="ours",
            source_identity="alice",
            duration_seconds=900,
            policy_arns=("arn:aws:iam::aws:policy/ReadOnlyAccess",),
            session_tags={"team": "blue"},
        ),
        KEYS,
    )
    asked = [words(request) for request in io.requests]
    signers = [
        request.headers["Authorization"].partition("Credential=")[2] for request in io.requests
    ]

    assert keys.access_key_id == "ASIA3"
    assert [each["RoleArn"] for each in asked] == ROLES
    assert [each.partition("/")[0] for each in signers] == ["AKIAEXAMPLE", "ASIA1", "ASIA2"]
    assert ["SourceIdentity" in each for each in asked] == [True, False, False]
    for name in ("ExternalId", "DurationSeconds", "PolicyArns.member.1.arn", "Tags.member.1.Key"):
        assert [name in each for each in asked] == [False, False, True]
    assert {each["RoleSessionName"] for each in asked} == {"credward-my-cred"}


def test_a_web_identity_is_not_signed_and_begins_a_chain():
    """The roles after it are assumed with its keys."""
    io = sts()
    aws = Aws("deploy", io, timeout=5)
    asked = settings(source=None, web_identity_token=Reference(env="T"), source_identity="alice")
    keys = assume_with_web_identity(aws, asked, Secret("identity"))
    assume_roles(aws, asked, keys, skip=1)

    assert "Authorization" not in io.requests[0].headers
    first, second, third = [words(request) for request in io.requests]
    assert (first["WebIdentityToken"], first["RoleArn"]) == ("identity", ROLES[0])
    assert (second["RoleArn"], third["RoleArn"]) == (ROLES[1], ROLES[2])
    assert "SourceIdentity" not in first
    assert second["SourceIdentity"] == "alice"


def test_an_expired_web_identity_may_be_replaced_at_any_time():
    """So it is tried again, unlike keys that have expired."""
    aws = Aws("deploy", sts(code="ExpiredTokenException"), timeout=5)
    with pytest.raises(BrokerError, match="web identity has expired") as caught:
        assume_with_web_identity(
            aws, settings(source=None, web_identity_token=Reference(env="T")), Secret("identity")
        )

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_REFUSED, "no")


def test_a_session_is_started_with_an_mfa_code():
    """By GetSessionToken, for as long as asked."""
    io = sts()
    start_session(
        Aws("deploy", io, timeout=5),
        KEYS,
        region="eu-central-1",
        duration=3600,
        SerialNumber="arn:aws:iam::123456789012:mfa/me",
        TokenCode="123456",
    )
    asked = words(io.requests[0])

    assert (asked["Action"], asked["DurationSeconds"]) == ("GetSessionToken", "3600")
    assert asked["TokenCode"] == "123456"
    assert io.requests[0].url == "https://sts.eu-central-1.amazonaws.com/"
