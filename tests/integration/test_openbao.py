"""Provider `vault` against a real OpenBao: what its tokens say of their end."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from credward.errors import BrokerError, Kind
from credward.providers.provider import ProviderRequest
from credward.providers.transport import Transport
from credward.providers.vault.provider import VaultProvider
from credward.settings.network import NetworkSettings
from credward.settings.references import Reference
from credward.settings.vault import Settings
from credward.tokens import Secret
from fakes.io import FakeIo
from integration.openbao import OpenBao
from waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(OpenBao.missing() is not None, reason=str(OpenBao.missing())),
]


@pytest.fixture(scope="module")
def server():
    with OpenBao() as running:
        running.ask("secret/data/llm", data={"api_key": "key-1"})
        running.ask("sys/auth/approle", type="approle")
        yield running


@pytest.fixture
def given(server):
    """Mint with a token that somebody gave."""
    transport = Transport(NetworkSettings())

    def mint(token, **words):
        io = FakeIo(server=lambda ask: transport.send(ask, credential="kv"), time=time.time())
        request = ProviderRequest(
            credential="kv",
            settings=Settings(address=server.url, token=Reference(store="t"), **words),
            secrets={"token": Secret(token)},
        )
        return VaultProvider().mint(request, io)

    yield SimpleNamespace(mint=mint)
    transport.close()


@pytest.mark.parametrize("more", [{"renewable": False}, {"explicit_max_ttl": "2s"}])
def test_g1_a_token_in_its_last_second_is_not_one_without_an_end(server, given, more):
    """Its life is 0 then, as that of a root token is, and so is the life that a renewal brings."""
    token = server.new_token(ttl="2s", policies=["root"], **more)
    until(lambda: server.look_up(token).get("ttl", 0) == 0)
    for words in ({}, {"path": "secret/llm"}):
        with pytest.raises(
            BrokerError, match="its token, which has expired or was revoked"
        ) as caught:
            given.mint(token, **words)
        assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_g1_a_token_without_an_end_has_none(server, given):
    """The server says so itself."""
    assert given.mint(server.new_token(policies=["root"])).expires_at is None


def test_g1_a_batch_token_has_an_end(server, given):
    """It lies in no table of the server and cannot be renewed; its end is told all the same."""
    token = given.mint(server.new_token(type="batch", ttl="90s", policies=["default"]))

    assert 0 < token.expires_at - token.issued_at <= 90


def test_g1_short_tokens_are_replaced_again_and_again(server, start_daemon):
    """By renewals up to their longest life, then by another login; each that is handed out has an end."""
    server.ask("auth/approle/role/app", token_ttl="3s", token_max_ttl="5s")
    role_id = server.ask("auth/approle/role/app/role-id")["data"]["role_id"]
    secret_id = server.ask("auth/approle/role/app/secret-id", metadata="{}")["data"]["secret_id"]
    daemon = start_daemon(
        f"""
        [store]
        key = "key_file"
        [credentials.kv]
        provider = "vault"
        address = "{server.url}"
        auth_method = "approle"
        role_id = "{role_id}"
        secret_id = {{ env = "SECRET_ID" }}
        """,
        environment={"SECRET_ID": secret_id},
    )
    seen = set()

    def ask():
        answer = daemon.get("kv", client_base_url=server.url)
        assert answer.status == 200, answer.text
        assert float(answer.headers["expires-at"]) > float(answer.headers["issued-at"])
        seen.add(answer.text)
        return len(seen) >= 4

    until(ask)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"namespace": "nowhere"}, 'has no namespace "nowhere": correct namespace'),
        ({"path": "secret/nothing"}, 'has nothing at "secret/nothing": correct path, or namespace'),
        ({"path": "nowhere/llm"}, 'has nothing at "nowhere/llm": correct path, or namespace'),
    ],
)
def test_g4_what_is_not_there_is_said_in_words(server, given, words, line):
    """By a real server, whose own words never get into the line."""
    with pytest.raises(BrokerError) as caught:
        given.mint(server.new_token(policies=["root"]), **words)

    assert caught.value.message == f'"kv" got no token, 127.0.0.1 {line}'
