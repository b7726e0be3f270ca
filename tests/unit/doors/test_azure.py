"""Which identity and which resource a client of a managed identity means; both endpoints alike."""

from __future__ import annotations

import pytest

from credward.doors.azure_app_service import AzureAppService
from credward.doors.azure_imds import AzureImds
from credward.doors.endpoint import EndpointProtocol
from credward.errors import BrokerError, Kind
from credward.settings import entra
from credward.tokens import Secret
from unit.administering.services import Services
from unit.doors.endpoint_rig import Answered, asking, credential, send

APP = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"
RESOURCE_ID = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/x"
FOUNDRY, VAULT = "https://ai.azure.com", "https://vault.azure.net"
TARGETS = {
    "azure-app-service": "/msi/token?api-version=2019-08-01",
    "azure-imds": "/metadata/identity/oauth2/token?api-version=2018-02-01",
}


@pytest.fixture(params=TARGETS)
def door(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def protocol(services: Services, door: str) -> EndpointProtocol:
    """Three identities: Foundry by az, another application, a user-assigned one of a machine."""
    other = entra.Settings(
        tenant="acme.com", client_id=OTHER, scope=f"{VAULT}/.default", flow="device"
    )
    assigned = entra.Settings(
        managed_identity=entra.ManagedIdentity(resource_id=RESOURCE_ID), resource=VAULT
    )
    given = asking(
        services,
        "azure-imds",
        credential("foundry", entra.Settings(source="az", resource="acme-ai"), "entra"),
        credential("other", other, "entra"),
        credential("assigned", assigned, "entra"),
    )
    if door == "azure-imds":
        return AzureImds(given, services.clock)
    return AzureAppService(given, Secret("sesame"), services.clock)


async def ask(protocol: EndpointProtocol, door: str, query: str) -> Answered:
    return await send(
        protocol, f"{TARGETS[door]}&{query}", metadata="true", x_identity_header="sesame"
    )


@pytest.mark.parametrize(
    "query",
    [f"resource={FOUNDRY}", f"resource={FOUNDRY}/", f"scope={FOUNDRY}/.default"],
)
async def test_the_own_resource_needs_no_audience(
    protocol: EndpointProtocol, door: str, services: Services, query: str
) -> None:
    """In each way that clients write it."""
    answer = await ask(protocol, door, query)
    assert answer.json()["access_token"] == "token-1-foundry"
    assert answer.json()["token_type"] == "Bearer"
    assert [(key.credential, key.audience) for key in services.upstream.mints] == [
        ("foundry", None)
    ]


async def test_another_resource_that_is_served(
    protocol: EndpointProtocol, door: str, services: Services
) -> None:
    """Both documented audiences of Foundry are."""
    await ask(protocol, door, "resource=https://cognitiveservices.azure.com")
    assert [key.audience for key in services.upstream.mints] == [
        "https://cognitiveservices.azure.com"
    ]


async def test_a_resource_that_is_not_served_is_not_available(
    protocol: EndpointProtocol, door: str, services: Services
) -> None:
    answer = await ask(protocol, door, f"resource={VAULT}")
    assert answer.status == 400
    assert answer.json()["error"] == "invalid_request"
    assert f'"foundry" does not serve audience "{VAULT}"' in answer.json()["error_description"]
    assert answer.json()["message"] == answer.json()["error_description"]
    assert services.upstream.mints == []


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (f"client_id={OTHER}", "other"),
        (f"client_id={OTHER.upper()}", "other"),
        (f"mi_res_id={RESOURCE_ID}", "assigned"),
        (f"msi_res_id={RESOURCE_ID}", "assigned"),
    ],
)
async def test_an_identity_is_found_by_its_names(
    protocol: EndpointProtocol, door: str, services: Services, query: str, name: str
) -> None:
    await ask(protocol, door, f"resource={VAULT}&{query}")
    assert [key.credential for key in services.upstream.mints] == [name]


@pytest.mark.parametrize("query", [f"client_id={APP}", f"object_id={OTHER}", "principal_id=x"])
async def test_an_unknown_identity_is_not_available(
    protocol: EndpointProtocol, door: str, services: Services, query: str
) -> None:
    """Never the token of another one."""
    answer = await ask(protocol, door, f"resource={VAULT}&{query}")
    assert answer.status == 400
    assert "no credential of this endpoint has this identity" in answer.json()["message"]
    assert services.upstream.mints == []


async def test_a_resource_is_needed(protocol: EndpointProtocol, door: str) -> None:
    assert (await ask(protocol, door, "")).json()["message"] == "resource is missing"


async def test_a_failure_says_our_line(
    protocol: EndpointProtocol, door: str, services: Services
) -> None:
    services.upstream.failure = BrokerError(Kind.LOGIN_REQUIRED, '"foundry" needs a login')
    answer = await ask(protocol, door, f"resource={FOUNDRY}")
    assert (answer.status, answer.json()["message"]) == (401, '"foundry" needs a login')
