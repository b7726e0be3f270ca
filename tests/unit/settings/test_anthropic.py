"""Settings of `anthropic`: exactly one way, ids that cannot be mixed up, no subscription login."""

from __future__ import annotations

import msgspec
import pytest

from credward.settings.anthropic import Settings
from credward.settings.references import Reference, references_in

FEDERATION = {
    "federation_rule_id": "fdrl_1",
    "organization_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
}


def convert(**words):
    return msgspec.convert(words, Settings)


@pytest.mark.parametrize(
    ("words", "reference"),
    [
        ({"identity": "k8s-jwt"}, Reference(credential="k8s-jwt")),
        ({"identity": {"env": "JWT"}}, Reference(env="JWT")),
        ({"identity_file": "/run/secrets/jwt"}, Reference(file="/run/secrets/jwt")),
        ({"identity_command": ["get-jwt"]}, Reference(command=("get-jwt",))),
    ],
)
def test_the_jwt_has_one_source(words, reference):
    """A bare name is another credential; what is written out for a worker reads the same."""
    settings = convert(**FEDERATION, service_account_id="svac_1", **words)

    assert settings.assertion == reference
    assert convert(**msgspec.to_builtins(settings)) == settings


def test_another_credential_is_seen_by_the_daemon():
    """It is the daemon that mints it."""
    settings = convert(**FEDERATION, identity="k8s-jwt")

    assert references_in(settings) == {"identity": Reference(credential="k8s-jwt")}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({}, "exactly one way"),
        ({"profile": "work", "api_key": {"env": "KEY"}}, "exactly one way"),
        ({**FEDERATION, "identity": "jwt", "profile": "work"}, "exactly one way"),
        ({"identity": "jwt"}, "needs federation_rule_id and organization_id"),
        (FEDERATION, "exactly one of identity, identity_file, identity_command"),
        ({**FEDERATION, "identity": "jwt", "identity_file": "/jwt"}, "exactly one of"),
        ({**FEDERATION, "identity": "/path/to/jwt"}, "name of another credential"),
        ({**FEDERATION, "identity": "jwt", "federation_rule_id": "svac_1"}, "begins with fdrl_"),
        ({**FEDERATION, "identity": "jwt", "organization_id": "org_1"}, "is a UUID"),
        ({**FEDERATION, "identity": "jwt", "service_account_id": "x"}, "begins with svac_"),
        ({**FEDERATION, "identity": "jwt", "workspace_id": ""}, "begins with wrkspc_"),
        ({**FEDERATION, "identity": "jwt", "token_url": "api.anthropic.com"}, "is a URL"),
        ({**FEDERATION, "identity_file": "jwt"}, "absolute path"),
        ({"profile": "../x"}, "name of a profile"),
        ({"profile": "x", "ant": "bin/ant"}, "absolute path"),
        ({"api_key": "sk-ant-api03-x"}, "written out"),
        ({"api_key": {"env": "K"}, "workspace_id": "default"}, "begins with wrkspc_$"),
        ({"api_key": {"env": "K"}, "workspace_id": "wrkspc_1\n"}, "begins with wrkspc_$"),
        ({"profile": "work", "workspace_id": "wrkspc_1"}, "a Console login has its workspace"),
    ],
)
def test_nonsense_is_refused_with_what_to_write(words, complaint):
    """At load, not at the first mint."""
    with pytest.raises(msgspec.ValidationError, match=complaint) as caught:
        convert(**words)

    assert "api03" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        {"api_key": {"env": "CLAUDE_CODE_OAUTH_TOKEN"}},
        {**FEDERATION, "identity": {"command": ["claude", "setup-token"]}},
        {**FEDERATION, "identity_command": ["claude", "setup-token"]},
        {**FEDERATION, "identity_file": "~/.claude/.credentials.json"},
    ],
)
def test_subscription_logins_are_refused_with_the_reason(words):
    """They are never read, by whichever key the user points there."""
    with pytest.raises(msgspec.ValidationError, match="subscription login"):
        convert(**words)


@pytest.mark.parametrize("workspace", ["default", "wrkspc_1", None])
def test_a_workspace_is_named_or_left_out(workspace):
    """It is needed only by a rule that spans several."""
    settings = convert(**FEDERATION, identity="jwt", workspace_id=workspace)

    assert settings.workspace_id == workspace


@pytest.mark.parametrize(
    ("words", "headers"),
    [
        ({**FEDERATION, "identity": "jwt", "workspace_id": "wrkspc_1"}, {"anthropic-beta"}),
        ({"profile": "work"}, {"anthropic-beta"}),
        ({"api_key": {"env": "K"}}, set()),
        ({"api_key": {"env": "K"}, "workspace_id": "wrkspc_1"}, {"anthropic-workspace-id"}),
    ],
)
def test_what_the_api_wants_besides_the_token(words, headers):
    """An access token is for one workspace already; a key may be for several."""
    found = dict(convert(**words).meaning.headers)

    assert set(found) == headers
    assert found.get("anthropic-beta", "oauth-2025-04-20") == "oauth-2025-04-20"
    assert found.get("anthropic-workspace-id", "wrkspc_1") == "wrkspc_1"
