"""The identity endpoint of Azure App Service: `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`.

Version 2019-08-01; the secret comes in `X-IDENTITY-HEADER` (learn.microsoft.com, "How to use
managed identities for App Service and Azure Functions").
"""

from __future__ import annotations

from collections.abc import Collection

from credward.clock import Clock
from credward.doors.azure import ManagedIdentity, render_error
from credward.doors.endpoint import Asking, no_such_path, only_verb, path_of
from credward.doors.guard import check_secret
from credward.http.messages import HttpRequest, HttpResponse, RefusedRequest
from credward.tokens import Secret

__all__ = ["AzureAppService"]

_PATH = "/msi/token"
_VERSION = "2019-08-01"


class AzureAppService:
    """Answers `/msi/token`."""

    addresses: Collection[str] = ()
    names: Collection[str] = ()
    render_error = staticmethod(render_error)

    def __init__(self, asking: Asking, secret: Secret, clock: Clock) -> None:
        self._identities = ManagedIdentity(asking, clock, "azure-app-service")
        self._secret = secret

    async def answer(self, http_request: HttpRequest) -> HttpResponse:
        """Answer with the token that the query names."""
        if path_of(http_request) != _PATH:
            raise no_such_path()
        only_verb(http_request, "GET")
        check_secret(http_request, "X-IDENTITY-HEADER", self._secret)
        if http_request.query.get("api-version") != _VERSION:
            raise RefusedRequest(400, f"api-version is not {_VERSION}")
        return await self._identities.token(http_request)
