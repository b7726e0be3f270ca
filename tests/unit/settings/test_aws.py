"""What a credential of the provider `aws` may say."""

from __future__ import annotations

import msgspec
import pytest

from canaries import MARK, canary
from credward.settings.aws import Settings
from credward.settings.meaning import meaning_of

ROLE = "arn:aws:iam::123456789012:role/deploy"
GOV = "arn:aws-us-gov:iam::123456789012:role/gov"
OTHER = "arn:aws:iam::123456789012:role/team/other"
SOURCE = {"source": {"env": "KEYS"}}
SSO = {
    "sso_start_url": "https://example.awsapps.com/start",
    "sso_region": "eu-central-1",
    "sso_account_id": "012345678901",
    "sso_role_name": "Agent",
}


def settings(words) -> Settings:
    return msgspec.convert(words, Settings)


@pytest.mark.parametrize(
    "words",
    [
        {"profile": "bedrock"},
        {"profile": "bedrock", "derive": "bedrock-api-key", "region": "eu-central-1"},
        {"profile": "bedrock", "derive": "ecr"},
        {"source_profile": "base", "role_arn": ROLE, "external_id": "ours"},
        {**SOURCE},
        {**SOURCE, "role_arn": ROLE, "chain": [OTHER], "duration_seconds": 3600},
        {**SOURCE, "role_arn": ROLE, "mfa_serial": "arn:aws:iam::123456789012:mfa/me"},
        {"web_identity_token": {"file": "/run/token"}, "role_arn": ROLE},
        {"web_identity_token": {"credential": "sso"}, "role_arn": GOV, "region": "us-gov-west-1"},
        {"credential_source": "Ec2InstanceMetadata", "role_arn": ROLE},
        SSO,
        {"sso_session": "corp", "sso_account_id": "012345678901", "sso_role_name": "Agent"},
        {**SSO, "role_arn": ROLE, "session_policy": '{"Statement": []}'},
        {**SOURCE, "derive": "eks", "cluster_name": "prod", "region": "eu-central-1"},
        {**SOURCE, "derive": "ecr", "registry": "012345678901", "region": "cn-north-1"},
    ],
)
def test_accepts_the_words_of_a_profile(words):
    """Each way to keys, alone and with a role."""
    assert settings(words)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({}, "exactly one source"),
        ({"profile": "a", **SOURCE}, "exactly one source"),
        ({"profile": "a", "role_arn": ROLE}, "source_profile"),
        ({"source_profile": "a"}, "use profile"),
        ({**SOURCE, "external_id": "ours"}, "external_id needs role_arn"),
        ({**SOURCE, "chain": [ROLE]}, "chain needs role_arn"),
        ({**SOURCE, "role_arn": "deploy"}, "role_arn is such as"),
        ({**SOURCE, "role_arn": ROLE, "chain": ["x"]}, "chain is roles"),
        ({**SOURCE, "role_arn": ROLE, "duration_seconds": 50_000}, "at most 43200"),
        ({**SOURCE, "role_arn": ROLE, "chain": [OTHER], "duration_seconds": 7200}, "at most 3600"),
        ({**SOURCE, "role_arn": GOV}, "needs region"),
        ({**SOURCE, "duration_seconds": 60}, "900"),
        ({**SOURCE, "role_arn": ROLE, "session_policy": "allow all"}, "JSON text"),
        ({**SOURCE, "role_arn": ROLE, "role_session_name": "a b"}, "role_session_name"),
        ({**SOURCE, "role_arn": ROLE, "external_id": "x"}, "external_id is 2"),
        ({**SOURCE, "region": "Frankfurt"}, "region is such as"),
        ({"web_identity_token": {"env": "T"}}, "needs role_arn"),
        (
            {"web_identity_token": {"env": "T"}, "role_arn": ROLE, "external_id": "ours"},
            "cannot be used",
        ),
        ({"web_identity_token": {"env": "T"}, "role_arn": ROLE, "mfa_serial": "m"}, "long-term"),
        ({**SSO, "mfa_serial": "m"}, "long-term"),
        ({"credential_source": "EcsContainer"}, "credential_source"),
        ({"credential_source": "Ec2InstanceMetadata", **SOURCE}, "exactly one source"),
        ({**SSO, "sso_start_url": "http://example.com/start"}, "sso_start_url is such as"),
        ({**SSO, "sso_account_id": "1"}, "twelve digits"),
        ({key: value for key, value in SSO.items() if key != "sso_region"}, "needs sso_region"),
        ({key: value for key, value in SSO.items() if key != "sso_role_name"}, "both needed"),
        ({"sso_region": "eu-central-1", "profile": "a"}, "sso_… keys need"),
        ({**SOURCE, "derive": "ecr"}, "derive needs region"),
        ({"profile": "p", "derive": "bedrock-api-key"}, "derive needs region"),
        ({"profile": "p", "derive": "claude-platform-key"}, "derive needs region"),
        ({"profile": "p", "workspace_id": "wrkspc_1"}, "only for derive = .claude-platform-key"),
        ({"profile": "p", "workspace_id": "a b"}, "workspace_id is such as wrkspc_0123"),
        ({**SOURCE, "derive": "eks", "region": "eu-central-1"}, "cluster_name"),
        ({**SOURCE, "cluster_name": "prod"}, "cluster_name"),
        ({**SOURCE, "registry": "012345678901"}, "registry is only for"),
        ({**SOURCE, "derive": "sts"}, "derive"),
        ({**SOURCE, "timeout": 0}, "timeout"),
        ({**SOURCE, "regoin": "eu-central-1"}, "regoin"),
    ],
)
def test_refuses_what_cannot_work(words, complaint):
    """Before anything is minted, in words that say what to write."""
    with pytest.raises(msgspec.ValidationError, match=complaint):
        settings(words)


def test_h3_a_literal_secret_is_refused_without_repeating_it():
    """Keys and web identities stand in references."""
    for words in ({"source": canary("s")}, {"web_identity_token": canary("w"), "role_arn": ROLE}):
        with pytest.raises(msgspec.ValidationError, match="credward secret set") as caught:
            settings(words)
        assert MARK not in str(caught.value)


def test_only_a_login_of_ours_rotates():
    """Credentials of one start URL share the login; a code of a device is typed in."""
    sso = meaning_of(settings(SSO)).grant
    mfa = meaning_of(settings({**SOURCE, "mfa_serial": "m"})).grant

    assert (sso.rotating, sso.logins) == (True, ("browser", "device"))
    assert sso.identity == ("sso_start_url", "sso_region", "sso_session")
    assert (mfa.rotating, mfa.logins, mfa.identity) == (False, ("device",), ("mfa_serial",))
    assert meaning_of(settings({"profile": "a"})).grant.logins == ()


def test_a_derived_key_has_the_variable_of_its_clients():
    """The other words of a profile have none."""
    key = {"profile": "bedrock", "derive": "bedrock-api-key", "region": "eu-central-1"}

    assert settings(key).meaning.env_name == "AWS_BEARER_TOKEN_BEDROCK"
    assert settings({"profile": "bedrock"}).meaning.env_name is None


@pytest.mark.parametrize(
    ("derive", "kind"),
    [
        ({}, "aws"),
        ({"derive": "bedrock-api-key", "region": "eu-central-1"}, "bearer"),
        ({"derive": "ecr"}, "basic"),
    ],
)
def test_tells_the_kind_of_its_tokens(derive, kind):
    """So that nobody proposes a shape, or a stand-in, that keys do not have."""
    assert settings({"profile": "bedrock", **derive}).meaning.kind == kind
