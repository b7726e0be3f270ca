"""The identity endpoint of App Service: its path, its version, its header."""

from __future__ import annotations

import pytest

from credward.doors.azure_app_service import AzureAppService
from credward.settings import entra
from credward.tokens import Secret
from unit.administering.services import Services
from unit.doors.endpoint_rig import asking, credential, send

QUERY = "resource=https://ai.azure.com"


@pytest.fixture
def protocol(services: Services) -> AzureAppService:
    settings = entra.Settings(source="az", resource="acme-ai")
    given = asking(services, "azure-app-service", credential("foundry", settings, "entra"))
    return AzureAppService(given, Secret("sesame"), services.clock)


@pytest.mark.parametrize(
    ("target", "method", "header", "status"),
    [
        (f"/msi/token?api-version=2019-08-01&{QUERY}", "GET", "sesame", 200),
        (f"/msi/token/?api-version=2019-08-01&{QUERY}", "GET", "sesame", 200),
        (f"/msi/token?api-version=2019-08-01&{QUERY}", "POST", "sesame", 405),
        (f"/msi/token?api-version=2019-08-01&{QUERY}", "GET", "wrong", 401),
        (f"/msi/token?api-version=2017-09-01&{QUERY}", "GET", "sesame", 400),
        (f"/msi/token?{QUERY}", "GET", "sesame", 400),
        (f"/?api-version=2019-08-01&{QUERY}", "GET", "sesame", 404),
    ],
)
async def test_n2_only_its_own_requests_are_answered(
    protocol: AzureAppService, target: str, method: str, header: str, status: int
) -> None:
    assert (await send(protocol, target, method=method, x_identity_header=header)).status == status


async def test_n2_the_header_is_needed(protocol: AzureAppService, services: Services) -> None:
    assert (await send(protocol, f"/msi/token?api-version=2019-08-01&{QUERY}")).status == 401
    assert services.upstream.mints == []
