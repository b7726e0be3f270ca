"""The steps from first keys to a token; each step has its own tests beside this one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from credward.errors import BrokerError, Kind, Recovery
from credward.providers.aws.provider import AwsProvider
from credward.providers.provider import HttpResponse, ProviderRequest
from credward.settings.aws import Settings
from credward.settings.references import Reference
from credward.tokens import Secret
from fakes.io import NOW, FakeIo

SERIAL = "arn:aws:iam::123456789012:mfa/me"
ROLE = "arn:aws:iam::123456789012:role/deploy"
LONG_TERM = json.dumps({"AccessKeyId": "AKIA", "SecretAccessKey": "s"})
SESSION = json.dumps({"AccessKeyId": "ASIA", "SecretAccessKey": "s", "SessionToken": "t"})


class Human(FakeIo):
    """Types a code in."""

    def prompt(self, field, label, *, secret=False):
        assert (field, secret) == ("token_code", False)
        assert SERIAL in label
        return " 123456 "


def sts(request):
    action = parse_qs(request.body.decode())["Action"][0]
    ends = datetime.fromtimestamp(NOW + 3600, UTC).isoformat()
    body = (
        f"<{action}Response><{action}Result><Credentials><AccessKeyId>{action}</AccessKeyId>"
        f"<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        f"<Expiration>{ends}</Expiration></Credentials></{action}Result></{action}Response>"
    )
    return HttpResponse(status=200, headers={}, body=body.encode())


def request(text=LONG_TERM, *, grant=None, **words):
    settings = Settings(source=Reference(env="K"), **words)
    return ProviderRequest(
        credential="deploy", settings=settings, secrets={"source": Secret(text)}, grant=grant
    )


def test_a_session_is_handed_out_as_it_is():
    """Keys that are short-lived already, where they say when they end."""
    ends = datetime.fromtimestamp(NOW + 60, UTC).isoformat()
    token = AwsProvider().mint(
        request(json.dumps(json.loads(SESSION) | {"Expiration": ends})), FakeIo()
    )

    assert (token.upstream_id, token.expires_at) == ("ASIA", NOW + 60)


def test_t6_a_session_of_unknown_end_only_assumes_roles():
    """Whoever got it would keep it for good."""
    with pytest.raises(BrokerError, match="has no expiry") as caught:
        AwsProvider().mint(request(SESSION), FakeIo())

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert AwsProvider().mint(request(SESSION, role_arn=ROLE), FakeIo(server=sts)).expires_at


def test_long_term_keys_become_a_session():
    """For an hour where nothing else is asked."""
    io = FakeIo(server=sts)
    token = AwsProvider().mint(request(), io)

    assert (token.upstream_id, token.expires_at) == ("GetSessionToken", NOW + 3600)
    assert b"DurationSeconds=3600" in io.requests[0].body


@pytest.mark.parametrize(("role", "name"), [(None, "GetSessionToken"), (ROLE, "AssumeRole")])
def test_a_login_with_mfa_starts_the_session_that_mints_use(role, name):
    """The code is asked for once; roles are assumed from the session until it ends."""
    io = Human(server=sts)
    grant = AwsProvider().login(request(mfa_serial=SERIAL, role_arn=role), io, "device")
    token = AwsProvider().mint(request(mfa_serial=SERIAL, role_arn=role, grant=grant.secret), io)

    assert grant.ends_at == NOW + 3600
    assert b"TokenCode=123456" in io.requests[0].body
    assert b"DurationSeconds=43200" in io.requests[0].body
    assert token.upstream_id == name
    io.time = NOW + 3601
    with pytest.raises(BrokerError, match="run credward login deploy") as caught:
        AwsProvider().mint(request(mfa_serial=SERIAL, role_arn=role, grant=grant.secret), io)
    assert caught.value.failure.recovery is Recovery.REAUTHORIZE


def test_steps_share_the_time_of_the_mint():
    """The last one gets what the others left, and none is begun too late."""
    io = FakeIo()

    def server(http_request):
        io.time += 20
        return sts(http_request)

    io.server = server
    chain = (ROLE, ROLE)
    with pytest.raises(BrokerError, match="timed out after 30 s") as caught:
        AwsProvider().mint(request(role_arn=ROLE, chain=chain), io)

    assert [http_request.timeout for http_request in io.requests] == [30.0, 10.0]
    assert (caught.value.kind, caught.value.failure.sent) == (Kind.TIMED_OUT, "no")


def test_what_has_no_login_says_so():
    """Nor anything to revoke."""
    with pytest.raises(BrokerError, match="set sso_start_url or mfa_serial") as caught:
        AwsProvider().login(request(), Human(), "device")
    with pytest.raises(BrokerError, match="end by themselves"):
        AwsProvider().revoke(request(), FakeIo())

    assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_derives_from_the_keys_of_the_role():
    """Whose end is then the token's."""
    io = FakeIo(server=sts)
    token = AwsProvider().mint(
        request(role_arn=ROLE, derive="bedrock-api-key", region="eu-central-1"), io
    )

    assert token.secret.reveal().startswith("bedrock-api-key-")
    assert (token.expires_at, token.upstream_id) == (NOW + 3600, "AssumeRole")


def test_a_profile_without_region_derives_nothing(tmp_path):
    """A derived key is good in one region only."""
    (tmp_path / "config").write_text("[default]\naws_access_key_id=A\naws_secret_access_key=s\n")
    io = FakeIo(environ={"AWS_CONFIG_FILE": str(tmp_path / "config"), "HOME": str(tmp_path)})
    settings = Settings(profile="default", derive="ecr")
    with pytest.raises(BrokerError, match="set region") as caught:
        AwsProvider().mint(ProviderRequest(credential="deploy", settings=settings), io)

    assert caught.value.kind is Kind.FIX_CONFIGURATION
