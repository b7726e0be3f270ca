"""Identities of a SPIFFE Workload API as users have them: of a real agent where there is SPIRE, else of a fake."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fakes.anthropic_oauth import ISSUER, ORGANIZATION, RULE, AnthropicServer, serving
from integration import spire
from integration.daemon import DaemonFactory, RunningDaemon
from integration.moto import REGION, serving_moto
from integration.openbao import OpenBao
from integration.spire import Spire
from waiting import until

pytest.importorskip("spiffe")

from fakes.workload_api import WorkloadApi

REAL = pytest.param(
    "spire",
    marks=[
        pytest.mark.slow,
        pytest.mark.skipif(Spire.missing() is not None, reason=str(Spire.missing())),
    ],
)


class Issuer(Protocol):
    """What tests use of either."""

    address: str

    @property
    def public_key(self) -> Any: ...


class FakeIssuer(WorkloadApi):
    def __init__(self) -> None:
        super().__init__()
        self.claims = {"iss": ISSUER, "iat": int(time.time())}

    @property
    def public_key(self) -> Any:
        return self.key.public_key()


@pytest.fixture(scope="module", params=["fake", REAL])
def issuer(request: pytest.FixtureRequest) -> Iterator[Issuer]:
    """Return an agent that has an identity for the processes of this user."""
    assert spire.ISSUER == ISSUER
    if request.param == "fake":
        with FakeIssuer() as fake:
            yield fake
        return
    with Spire() as real:
        real.register()
        yield real


@pytest.fixture
def api() -> Iterator[FakeIssuer]:
    """Return a fake that a test may change."""
    with FakeIssuer() as fake:
        yield fake


@pytest.fixture
def server() -> Iterator[AnthropicServer]:
    """Return the stand-in for the Claude API."""
    with serving() as running:
        running.audience = running.token_url
        yield running


def claude(issuer: Issuer, server: AnthropicServer) -> str:
    """Return the configuration of a federation with this identity."""
    server.public_key = issuer.public_key
    return f"""
        [credentials.claude]
        provider = "anthropic"
        federation_rule_id = "{RULE}"
        organization_id = "{ORGANIZATION}"
        service_account_id = "svac_1"
        identity = {{ spiffe = "{issuer.address}", audience = "{server.token_url}" }}
        token_url = "{server.token_url}"
        """


def ask(daemon: RunningDaemon, server: AnthropicServer) -> Any:
    return daemon.get("claude", client_base_url=server.token_url)


def registered(read: Callable[[], Any]) -> Any:
    """Ask until the agent knows what was registered: it looks every five seconds."""
    return until(lambda: answer if (answer := read()).status == 200 else None)


def test_the_claude_api_by_an_identity(
    issuer: Issuer, server: AnthropicServer, start_daemon: DaemonFactory
) -> None:
    """An identity without a `jti` may be presented again."""
    daemon = start_daemon(claude(issuer, server))
    tokens = [registered(lambda: ask(daemon, server)).text]
    assert daemon.request("POST", "/v1/credentials/claude/refresh").status == 200
    tokens.append(ask(daemon, server).text)

    assert set(tokens) <= server.tokens
    assert len(set(tokens)) == 2
    assert "eyJ" not in daemon.log()


@pytest.mark.slow
@pytest.mark.skipif(OpenBao.missing() is not None, reason=str(OpenBao.missing()))
def test_openbao_by_an_identity(issuer: Issuer, start_daemon: DaemonFactory) -> None:
    """A real server, which checks signature, issuer, audience and subject."""
    pem = issuer.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with OpenBao() as bao:
        bao.ask("secret/data/llm", data={"api_key": "key-1"})
        bao.ask("sys/auth/jwt", type="jwt")
        bao.ask("sys/policies/acl/llm", policy='path "secret/data/llm" {capabilities=["read"]}')
        bao.ask("auth/jwt/config", jwt_validation_pubkeys=[pem], bound_issuer=ISSUER)
        made = bao.ask(
            "auth/jwt/role/app",
            role_type="jwt",
            user_claim="sub",
            bound_audiences=["openbao"],
            bound_subject="spiffe://example.org/agent",
            token_policies=["llm"],
        )
        assert made["status"] in {200, 204}, made
        daemon = start_daemon(
            f"""
            [credentials.kv]
            provider = "vault"
            address = "{bao.url}"
            auth_method = "jwt"
            role = "app"
            jwt = {{ spiffe = "{issuer.address}", audience = "openbao" }}
            path = "secret/llm"
            field = "api_key"
            """
        )
        assert registered(lambda: daemon.get("kv")).text == "key-1"
        daemon.stop()


def test_aws_by_an_identity(
    issuer: Issuer, start_daemon: DaemonFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keys of a role, by AssumeRoleWithWebIdentity."""
    with serving_moto(tmp_path_factory.mktemp("moto")) as moto:
        daemon = start_daemon(
            f"""
            [credentials.deploy]
            provider = "aws"
            region = "{REGION}"
            role_arn = "{moto.role("first")}"
            web_identity_token = {{ spiffe = "{issuer.address}", audience = "sts.amazonaws.com" }}
            """,
            environment={"AWS_ENDPOINT_URL": moto.url},
        )

        def keys() -> Any:
            moto.allow_unsigned()
            return daemon.get("deploy", "json")

        secret = registered(keys).json()["token"]
        assert "assumed-role/first/" in moto.caller(secret)
        daemon.stop()


def test_an_identity_with_a_jti_is_presented_once(
    api: FakeIssuer, server: AnthropicServer, start_daemon: DaemonFactory
) -> None:
    """An agent gives the same one until half of its life is over."""
    svid = api.sign(server.token_url, jti="one")
    api.give = lambda _audience: [svid]
    daemon = start_daemon(claude(api, server))
    assert ask(daemon, server).text in server.tokens
    again = daemon.request("POST", "/v1/credentials/claude/refresh")
    assert "was used already and counts only once (jti)" in again.json()["detail"]
    assert f"the SPIFFE Workload API at {api.path}" in again.json()["detail"]
    assert len(server.exchanges) == 1

    api.give = lambda audience: [api.sign(audience, jti="two")]
    assert daemon.request("POST", "/v1/credentials/claude/refresh").status == 200
    assert len(server.exchanges) == 2


def test_a_token_is_served_although_the_agent_is_gone(
    api: FakeIssuer, server: AnthropicServer, start_daemon: DaemonFactory
) -> None:
    """While it is valid; `refresh` says what is missing."""
    daemon = start_daemon(claude(api, server))
    token = ask(daemon, server).text
    api.path.rename(f"{api.path}.away")
    failed = daemon.request("POST", "/v1/credentials/claude/refresh")

    assert failed.kind == "provider-unreachable"
    assert f"no SPIFFE Workload API is at {api.path}" in failed.json()["detail"]
    assert ask(daemon, server).text == token


@pytest.mark.slow
@pytest.mark.skipif(Spire.missing() is not None, reason=str(Spire.missing()))
def test_spire_has_no_identity_before_it_is_registered(
    server: AnthropicServer, start_daemon: DaemonFactory
) -> None:
    """The line has the command for it; afterwards nothing is to be restarted."""
    with Spire() as real:
        daemon = start_daemon(claude(real, server))
        refused = ask(daemon, server)
        assert refused.kind == "provider-refused"
        assert f"-selector unix:uid:{os.geteuid()}" in json.loads(refused.body)["detail"]
        real.register()
        assert registered(lambda: ask(daemon, server)).text in server.tokens

        real.stop_agent()
        failed = daemon.request("POST", "/v1/credentials/claude/refresh")
        assert failed.kind == "provider-unreachable"
        assert "does not answer: check that its agent runs" in failed.json()["detail"]
