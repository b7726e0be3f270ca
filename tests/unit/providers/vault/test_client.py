"""hvac over our transport: what goes out, and what every status means."""

from __future__ import annotations

import json

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.provider import HttpResponse
from credward.providers.vault.client import RefusedError, ask_vault, make_client
from credward.settings.vault import Settings
from fakes.io import FakeIo


def answering(status, body=b"", **headers):
    """Return an `io` whose server answers everything alike."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return FakeIo(server=lambda _: HttpResponse(status=status, headers=headers, body=raw))


def ask(io, settings=None):
    vault = make_client("kv", settings or Settings(address="https://vault.example.com:8200/"), io)
    vault.hvac.token = "hvs.token"
    return ask_vault(vault, '"secret/llm"', lambda: vault.hvac.adapter.get("/v1/secret/llm"))


def test_requests_go_by_our_transport_with_the_servers_headers():
    """Timeout and certificate are the settings'; redirects are nobody's."""
    io = answering(200, {"data": {}})
    settings = Settings(
        address="https://vault.example.com:8200/",
        namespace="team",
        timeout=7,
        auth_method="cert",
        client_cert="/c",
        client_key="/k",
    )
    assert ask(io, settings) == {"data": {}}
    (sent,) = io.requests

    assert (sent.method, sent.url) == ("GET", "https://vault.example.com:8200/v1/secret/llm")
    assert sent.headers["X-Vault-Token"] == "hvs.token"
    assert sent.headers["X-Vault-Namespace"] == "team"
    assert sent.headers["X-Vault-Request"] == "true"
    assert (sent.timeout, sent.client_certificate) == (7, ("/c", "/k"))


@pytest.mark.parametrize(
    "names", [("VAULT_ADDR", "VAULT_NAMESPACE"), ("BAO_ADDR", "BAO_NAMESPACE")]
)
def test_address_and_namespace_default_to_the_vendors_variables(names, monkeypatch):
    """Those of the worker; what this process has is not looked at."""
    monkeypatch.setenv("VAULT_ADDR", "https://elsewhere.example.com")
    monkeypatch.setenv("VAULT_TOKEN", canary("env"))
    io = answering(204)
    io.environ = {names[0]: "https://bao.example.com", names[1]: "ns"}
    vault = make_client("kv", Settings(), io)
    ask_vault(vault, "x", vault.hvac.auth.token.lookup_self)

    assert io.requests[0].url.startswith("https://bao.example.com/v1/")
    assert io.requests[0].headers["X-Vault-Namespace"] == "ns"
    assert "X-Vault-Token" not in io.requests[0].headers


def test_without_an_address_nothing_is_sent():
    """And no default of hvac's is dialled."""
    with pytest.raises(BrokerError, match="its server is not set: set address") as caught:
        make_client("kv", Settings(), FakeIo())

    assert caught.value.kind is Kind.FIX_CONFIGURATION


SEALED = {"errors": ["Vault is sealed"]}
VERSIONED = {"errors": [], "warnings": ["Invalid path for a versioned K/V secrets engine"]}


@pytest.mark.parametrize(
    ("status", "body", "kind", "sent", "word"),
    [
        (400, {"errors": ["x"]}, Kind.FIX_CONFIGURATION, "no", 'refuses "secret/llm"'),
        (401, b"", Kind.FIX_CONFIGURATION, "no", "denies"),
        (403, {"errors": ["permission denied"]}, Kind.FIX_CONFIGURATION, "no", "denies"),
        (404, {"errors": []}, Kind.FIX_CONFIGURATION, "no", 'has nothing at "secret/llm"'),
        (404, VERSIONED, Kind.FIX_CONFIGURATION, "no", "set kv_version = 2"),
        (405, b"", Kind.FIX_CONFIGURATION, "no", "set data, or remove it"),
        (412, b"", Kind.PROVIDER_UNREACHABLE, "no", "replica"),
        (429, b"", Kind.RATE_LIMITED, "no", "asks for fewer requests"),
        (472, b"", Kind.PROVIDER_UNREACHABLE, "no", "replica"),
        (473, b"", Kind.PROVIDER_UNREACHABLE, "no", "replica"),
        (500, b"", Kind.PROVIDER_UNREACHABLE, "maybe", "failed"),
        (501, b"", Kind.FIX_CONFIGURATION, "no", "not initialized"),
        (502, b"<html>", Kind.PROVIDER_UNREACHABLE, "maybe", "failed"),
        (503, SEALED, Kind.PROVIDER_UNREACHABLE, "no", "is sealed: unseal it"),
        (503, b"", Kind.PROVIDER_UNREACHABLE, "maybe", "failed"),
        (307, b"", Kind.PROVIDER_UNREACHABLE, "no", "names another node"),
    ],
)
def test_every_status_has_its_kind(status, body, kind, sent, word):
    """And the host, for who reads it has several."""
    with pytest.raises(RefusedError) as caught:
        ask(answering(status, body, **{"retry-after": "9"}))
    error = caught.value

    assert (error.kind, error.failure.sent, error.status) == (kind, sent, status)
    assert error.message.startswith('"kv" got no token, vault.example.com ')
    assert word in error.message
    assert error.failure.retry_after == 9


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"text"'])
def test_what_is_no_object_is_refused(body):
    """A proxy's page above all."""
    with pytest.raises(BrokerError, match="sent no JSON") as caught:
        ask(answering(200, body))

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_REFUSED, "maybe")


def test_an_empty_answer_is_one():
    """Revocations have nothing to say."""
    assert ask(answering(204)) == {}


def test_what_the_transport_says_goes_through():
    """It knows whether the request was sent."""

    def fail(_):
        raise BrokerError(Kind.TIMED_OUT, "late", sent="maybe")

    with pytest.raises(BrokerError, match="late"):
        ask(FakeIo(server=fail))


def test_h3_no_cause_holds_the_answer():
    """Hvac's errors quote it; they end here."""
    with pytest.raises(BrokerError) as caught:
        ask(answering(400, {"errors": [canary("quoted")]}, **{"content-type": "application/json"}))
    error = caught.value

    assert error.__cause__ is None
    assert error.__context__ is None
    assert MARK not in repr(error)
