"""The instance metadata service of Azure, as far as it hands out tokens of managed identities.

`AZURE_POD_IDENTITY_AUTHORITY_HOST` leads clients here; a request says `Metadata: true`
(learn.microsoft.com, "How to use managed identities on an Azure VM to acquire an access token").
"""

from __future__ import annotations

from collections.abc import Collection

from credward.clock import Clock
from credward.doors.azure import ManagedIdentity, render_error
from credward.doors.endpoint import Asking, no_such_path, only_verb, path_of
from credward.errors import Kind
from credward.http.messages import HttpRequest, HttpResponse, RefusedRequest

__all__ = ["AzureImds"]

_PATH = "/metadata/identity/oauth2/token"


class AzureImds:
    """Answers `/metadata/identity/oauth2/token`."""

    addresses: Collection[str] = ("169.254.169.254",)
    names: Collection[str] = ()
    render_error = staticmethod(render_error)

    def __init__(self, asking: Asking, clock: Clock) -> None:
        self._identities = ManagedIdentity(asking, clock, "azure-imds")

    async def answer(self, http_request: HttpRequest) -> HttpResponse:
        """Answer with the token that the query names."""
        if http_request.headers.get("metadata", "").lower() != "true":
            raise RefusedRequest(403, "the header Metadata: true is missing", Kind.DENIED)
        if path_of(http_request) != _PATH:
            raise no_such_path()
        only_verb(http_request, "GET")
        if "api-version" not in http_request.query:
            raise RefusedRequest(400, "api-version is missing")
        return await self._identities.token(http_request)
