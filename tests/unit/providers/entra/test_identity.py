"""Managed identities: real msal against the platform's endpoints on loopback."""

from __future__ import annotations

import time

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.entra.identity import mint_by_identity
from credward.settings.entra import ManagedIdentity, Settings
from fakes.entra_server import CLIENT, entra_server
from fakes.io import FakeIo
from unit.providers.entra.world import world

SCOPES = ("https://ai.azure.com/.default",)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Return a platform whose variables say nothing yet."""
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with entra_server(tmp_path) as running:
        yield running


@pytest.fixture
def app_service(server, monkeypatch):
    """Return the platform as App Service announces it."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.http}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", server.identity_header)
    return server


@pytest.fixture
def machine(server, monkeypatch):
    """Return the platform as a virtual machine; its address is fixed, but for this variable."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.http)
    return server


def mint(server, io=None, **words):
    """Mint once for credential `foundry`."""
    words.setdefault("managed_identity", True)
    chosen = Settings(resource="my-res", **words)
    return mint_by_identity(chosen, "foundry", SCOPES, io or world(server))


def refused(server, **words):
    """Return the failure of a mint."""
    with pytest.raises(BrokerError) as caught:
        mint(server, **words)
    return caught.value


@pytest.mark.parametrize("platform", ["app_service", "machine"])
def test_the_platform_hands_one_out(platform, request):
    """The end is the platform's instant, not a count by msal's clock."""
    server = request.getfixturevalue(platform)
    token = mint(server)

    assert token.expires_at == pytest.approx(time.time() + 7000, abs=30)
    assert (token.audience, token.upstream_id) == ("https://ai.azure.com", "uti-mi")
    ((path, _, _),) = server.asked
    assert "resource=https%3A%2F%2Fai.azure.com&" in f"{path}&"


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ({"client_id": CLIENT}, f"client_id={CLIENT}"),
        ({"managed_identity": ManagedIdentity(client_id=CLIENT)}, f"client_id={CLIENT}"),
        ({"managed_identity": ManagedIdentity(object_id="o-1")}, "object_id=o-1"),
        ({"managed_identity": ManagedIdentity(resource_id="/s/x")}, "msi_res_id=%2Fs%2Fx"),
    ],
)
def test_a_user_assigned_identity_is_named(machine, words, asked):
    """By whichever name it was given."""
    mint(machine, **words)

    assert asked in machine.asked[0][0]


def test_the_metadata_service_is_asked_at_its_own_address(server, monkeypatch):
    """In the clear, as there is no other way; the one exception that the transport makes."""
    io = FakeIo(server=lambda http_request: pytest.fail(http_request.url))
    seen = []

    def send(http_request):
        seen.append(http_request.url)
        raise BrokerError(Kind.PROVIDER_UNREACHABLE, '"foundry" got no token, x: y')

    io.server = send
    with pytest.raises(BrokerError) as caught:
        mint(server, io)

    assert seen[0].startswith("http://169.254.169.254/metadata/identity/oauth2/token?")
    assert "only machines and services in Azure" in caught.value.failure.hint


def test_a_wrong_header(app_service, monkeypatch):
    """The daemon has outlived its service's variables."""
    monkeypatch.setenv("IDENTITY_HEADER", "old")
    failure = refused(app_service)

    assert failure.kind is Kind.FIX_CONFIGURATION
    assert "restart credward" in failure.message


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (400, '{"error": "invalid_request", "error_description": "Identity not found"}',
         Kind.FIX_CONFIGURATION, "does not have a system-assigned identity"),
        (400, '{"error": "invalid_resource", "error_description": "AADSTS500011"}',
         Kind.FIX_CONFIGURATION, "does not know the audience"),
        (403, "{}", Kind.FIX_CONFIGURATION, "does not accept this process"),
        (404, "<html>", Kind.PROVIDER_UNREACHABLE, "being updated"),
        (410, "", Kind.PROVIDER_UNREACHABLE, "being updated"),
        (429, "{}", Kind.RATE_LIMITED, "asks for fewer requests"),
        (500, "{}", Kind.PROVIDER_UNREACHABLE, "HTTP 500"),
        (200, "{}", Kind.PROVIDER_REFUSED, "sent no token"),
        (200, "<html>", Kind.PROVIDER_REFUSED, "no JSON"),
        (200, '{"access_token": "x", "expires_in": "0"}', Kind.PROVIDER_REFUSED, "expired already"),
    ],
)  # fmt: skip
def test_refusals(machine, status, body, kind, says):
    """By status, as the texts differ from service to service."""
    machine.identity_answer = (status, f"{body}".encode())
    failure = refused(machine)

    assert (failure.kind, failure.message.startswith('"foundry" got no token, ')) == (kind, True)
    assert says in failure.message


def test_another_identity_is_named_as_such(machine):
    """Not the machine's own one is missing."""
    body = (
        f'{{"error": "invalid_request", "error_description": "Identity not found {canary("x")}"}}'
    )
    machine.identity_answer = (400, body.encode())
    error = refused(machine, client_id=CLIENT)

    assert "does not have this user-assigned identity" in error.message
    assert MARK not in error.message + error.failure.hint


def test_an_old_endpoint_writes_a_date(machine):
    """Then the count of seconds is taken."""
    machine.identity_answer = (
        200,
        b'{"access_token": "x", "expires_on": "11/21/2026 09:00:00 +00:00", "expires_in": "60"}',
    )

    assert mint(machine).expires_at == pytest.approx(time.time() + 60, abs=30)
