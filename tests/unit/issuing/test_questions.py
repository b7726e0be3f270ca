"""What each service is asked, and what the configuration has to say for that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from credward.config import CredentialConfig, find_paths, load_config
from credward.errors import BrokerError, Kind
from credward.issuing.questions import base_url_of, form_of, question_for, shown_url
from credward.settings.services import Service
from credward.upstream import Signing
from credward.wire import Probe

HAIKU = "claude-haiku-5-5"
KEYS = 'provider = "aws"\nprofile = "work"\n'
VERTEX = 'provider = "gcp"\nproject = "p"\nregion = "us-east5"\n'
PLACE = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5"
FEDERATION = (
    'provider = "anthropic"\nfederation_rule_id = "fdrl_1"\nidentity_file = "/run/jwt"\n'
    'organization_id = "00000000-0000-0000-0000-000000000000"\n'
)


@pytest.fixture
def configured(tmp_path: Path):
    """Return a maker of a credential `it`, by the configuration that a user writes."""

    def make(text: str) -> CredentialConfig:
        file = tmp_path / "config.toml"
        file.write_text(f"[credentials.it]\n{text}")
        file.chmod(0o600)
        paths = find_paths({"HOME": str(tmp_path)}, uid=1)
        return load_config(paths, file).credentials["it"]

    return make


def test_an_address_that_the_client_has_is_asked_as_it_is(configured) -> None:
    """So a path that cannot work is seen; a query is not shown."""
    gateway = configured('provider = "local"\nbase_url = "https://llm.example.com"\n')
    question = question_for(gateway, Probe(base_url="https://llm.example.com/v1"))

    assert question.url == "https://llm.example.com/v1/v1/messages"
    assert shown_url("https://llm.example.com:443/a?key=b") == "https://llm.example.com/a"


def refused(credential: CredentialConfig, **wanted: Any) -> BrokerError:
    with pytest.raises(BrokerError) as caught:
        question_for(credential, Probe(**wanted))
    return caught.value


@pytest.mark.parametrize(
    ("text", "url", "present"),
    [
        (
            'provider = "local"\nbase_url = "https://llm.example.com/"\n',
            "https://llm.example.com/v1/messages",
            "both",
        ),
        (
            'provider = "local"\nbase_url = "https://llm.example.com/v1"\n',
            "https://llm.example.com/v1/messages",
            "both",
        ),
        (FEDERATION, "https://api.anthropic.com/v1/messages", "bearer"),
        (
            'provider = "anthropic"\napi_key = { env = "KEY" }\n',
            "https://api.anthropic.com/v1/messages",
            "both",
        ),
        (
            KEYS + 'region = "eu-central-1"\nderive = "bedrock-api-key"\n',
            f"https://bedrock-runtime.eu-central-1.amazonaws.com/model/global.anthropic.{HAIKU}/invoke",
            "bearer",
        ),
        (
            KEYS + 'region = "cn-north-1"\n',
            f"https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/global.anthropic.{HAIKU}/invoke",
            Signing(service="bedrock", region="cn-north-1"),
        ),
        (
            KEYS + 'region = "us-east-1"\nbase_url = "https://vpce-1.example.com"\n',
            f"https://vpce-1.example.com/model/global.anthropic.{HAIKU}/invoke",
            Signing(service="bedrock", region="us-east-1"),
        ),
        (
            VERTEX,
            f"{PLACE}/publishers/anthropic/models/{HAIKU}:rawPredict",
            "bearer",
        ),
        (
            'provider = "entra"\nsource = "az"\nresource = "res"\n',
            "https://res.services.ai.azure.com/anthropic/v1/messages",
            "bearer",
        ),
    ],
)
def test_each_service_has_its_form(configured, text, url, present):
    """At the address that its settings imply, or that the configuration names; one token."""
    question = question_for(configured(text), Probe())
    body = json.loads(question.body)

    assert (question.url, question.present) == (url, present)
    assert body["max_tokens"] == 1
    assert ("anthropic-version" in question.headers) == ("anthropic_version" not in body)
    assert body.get("model", HAIKU) == HAIKU


def test_every_service_with_messages_has_a_form(configured):
    """All others are named, in words that say why."""
    asked = {None, Service.CLAUDE, Service.CLAUDE_LOGIN, Service.CLAUDE_ON_AWS, Service.BEDROCK}
    asked |= {Service.AWS, Service.GOOGLE, Service.FOUNDRY}
    vault = configured('provider = "vault"\naddress = "https://v.example.com"\n')
    registry = configured(KEYS + 'region = "us-east-1"\nderive = "ecr"\n')

    for credential in (vault, registry):
        assert credential.meaning.service not in asked
        error = refused(credential)
        assert error.kind is Kind.BAD_REQUEST
        assert "has no models to ask" in error.message


def test_a_federation_token_has_its_beta_header(configured):
    """Without it the API refuses such a token."""
    question = question_for(configured(FEDERATION), Probe())

    assert question.headers["anthropic-beta"] == "oauth-2025-04-20"


@pytest.mark.parametrize(
    ("text", "model", "end"),
    [
        (KEYS + 'region = "us-east-1"\n', "a.b-v1:0", "/model/a.b-v1%3A0/invoke"),
        (KEYS + 'region = "us-east-1"\n', "arn:aws:x:1/y", "/model/arn%3Aaws%3Ax%3A1%2Fy/invoke"),
        (VERTEX, "claude@1", "/models/claude@1:rawPredict"),
    ],
)
def test_a_model_is_one_part_of_the_path(configured, text, model, end):
    """As the SDKs write it."""
    assert question_for(configured(text), Probe(model=model)).url.endswith(end)


@pytest.mark.parametrize("model", ["../x", "a b", "a\nb", "a?b", "a#b", "", "é", "x" * 300])
def test_a_model_is_a_plain_word(model):
    """It becomes part of a path."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode({"model": model}), type=Probe)


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ('provider = "local"\n', 'add base_url = "https://…" at '),
        (KEYS, 'add region = "…" at '),
        (KEYS + 'base_url = "https://vpce.example.com"\n', 'add region = "…" at '),
        ('provider = "gcp"\nproject = "p"\n', 'add region = "…" at '),
        ('provider = "gcp"\nregion = "global"\n', 'add project = "…" at '),
    ],
)
def test_what_is_missing_is_said_with_where_to_write_it(configured, text, missing):
    """Before anything is minted."""
    error = refused(configured(text))

    assert error.kind is Kind.FIX_CONFIGURATION
    assert missing in error.message
    assert "config.toml:1" in error.message


def test_a_platform_wants_its_workspace(configured):
    """It cannot be guessed."""
    credential = configured(KEYS + 'region = "us-east-1"\nderive = "claude-platform-key"\n')
    question = question_for(credential, Probe(workspace="wrkspc_1"))

    assert "ANTHROPIC_AWS_WORKSPACE_ID" in refused(credential).message
    assert question.url == "https://aws-external-anthropic.us-east-1.api.aws/v1/messages"
    assert (question.headers["anthropic-workspace-id"], question.present) == ("wrkspc_1", "api-key")


def test_a_workspace_of_the_configuration_will_do(configured):
    """Unless the client names another one."""
    own = 'region = "us-east-1"\nderive = "claude-platform-key"\nworkspace_id = "wrkspc_2"\n'
    credential = configured(KEYS + own)

    assert question_for(credential, Probe()).headers["anthropic-workspace-id"] == "wrkspc_2"
    asked = question_for(credential, Probe(workspace="wrkspc_1"))
    assert asked.headers["anthropic-workspace-id"] == "wrkspc_1"


def test_no_other_host_is_asked_for_keys_without_one(configured):
    """Only where their region leads."""
    credential = configured(KEYS + 'region = "us-east-1"\n')
    own = "https://bedrock-runtime.us-east-1.amazonaws.com"

    assert base_url_of(credential, Probe(base_url=own)) == own
    assert "https://evil.example" in refused(credential, base_url="https://evil.example/x").message
    assert form_of(credential).name == "bedrock"
