"""The instance metadata service of Azure: its path and its header."""

from __future__ import annotations

import pytest

from credward.doors.azure_imds import AzureImds
from credward.settings import entra
from unit.administering.services import Services
from unit.doors.endpoint_rig import asking, credential, send

TOKEN = "/metadata/identity/oauth2/token"
QUERY = "api-version=2018-02-01&resource=https://ai.azure.com"


@pytest.mark.parametrize(
    ("target", "method", "header", "status"),
    [
        (f"{TOKEN}?{QUERY}", "GET", "true", 200),
        (f"{TOKEN}?{QUERY}", "GET", "True", 200),
        # As azure-identity for Java asks.
        (f"/{TOKEN}?{QUERY}", "GET", "true", 200),
        (f"{TOKEN}?{QUERY}", "GET", "", 403),
        (f"{TOKEN}?{QUERY}", "GET", "false", 403),
        (f"{TOKEN}?{QUERY}", "POST", "true", 405),
        (f"{TOKEN}?resource=https://ai.azure.com", "GET", "true", 400),
        (f"/metadata/instance?{QUERY}", "GET", "true", 404),
    ],
)
async def test_n2_only_its_own_requests_are_answered(
    services: Services, target: str, method: str, header: str, status: int
) -> None:
    settings = entra.Settings(source="az", resource="acme-ai")
    given = asking(services, "azure-imds", credential("foundry", settings, "entra"))
    protocol = AzureImds(given, services.clock)
    assert (await send(protocol, target, method=method, metadata=header)).status == status
