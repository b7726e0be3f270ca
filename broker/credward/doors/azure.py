"""What the two managed-identity endpoints of Azure share: which identity, which resource, failures.

App Service and the instance metadata service differ in path, in the proof that a request is one of
theirs, and in versions (learn.microsoft.com, "How to use managed identities for App Service and
Azure Functions", "How to use managed identities on an Azure VM to acquire an access token").
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from credward.clock import Clock
from credward.config import CredentialConfig
from credward.doors.endpoint import Asking, handed_out
from credward.errors import BrokerError, Kind
from credward.formats.azure_token import azure_answer
from credward.http.messages import HttpRequest, HttpResponse, RefusedRequest, status_of
from credward.settings import entra
from credward.tokens import TokenRequest

__all__ = ["ManagedIdentity", "render_error"]

# How clients name an identity, by what the settings may say of it.
_NAMED_BY: Mapping[str, str] = {
    "client_id": "client_id",
    "object_id": "object_id",
    "principal_id": "object_id",
    "mi_res_id": "resource_id",
    "msi_res_id": "resource_id",
}
_ALL = "/.default"
# Clients wait long, but retry a failure several times (seconds).
_PATIENCE = 5.0
# Clients ask for another token 5 minutes before the end (seconds).
_MIN_REMAINING = 6 * 60.0


class ManagedIdentity:
    """Each credential of the endpoint is an identity of this machine, the first one its own.

    *door* is the word for the audit log.
    """

    def __init__(self, asking: Asking, clock: Clock, door: str) -> None:
        self._asking = asking
        self._clock = clock
        self._door = door

    async def token(self, http_request: HttpRequest) -> HttpResponse:
        """Answer with a token for the resource and the identity that the query names."""
        query = http_request.query
        resource = (query.get("resource") or query.get("scope") or "").removesuffix(_ALL)
        if not resource:
            raise RefusedRequest(400, "resource is missing")
        credential = self._identity(query)
        released = await self._asking.token(
            http_request,
            TokenRequest(
                credential=credential.name,
                format=self._door,
                audience=_audience(credential, resource),
                min_remaining=_MIN_REMAINING,
                timeout=_PATIENCE,
            ),
        )
        now = self._clock.now()
        return handed_out(
            released,
            lambda token: azure_answer(token, released.credential.name, resource, now),
        )

    def _identity(self, query: Mapping[str, str]) -> CredentialConfig:
        known = self._asking.credentials
        named = [(_NAMED_BY[each], query[each]) for each in _NAMED_BY if query.get(each)]
        for each in known:
            names = _names_of(each)
            if all(names.get(kind, "").lower() == value.lower() for kind, value in named):
                return each
        raise RefusedRequest(
            400,
            "no credential of this endpoint has this identity: "
            "run credward status --endpoints for those that are there",
            Kind.UNKNOWN_CREDENTIAL,
        )


def render_error(error: BrokerError, _headers: Mapping[str, str]) -> HttpResponse:
    """Return a failure with the members that msal and azure-identity show.

    What is not served is an identity or a resource that this machine does not have: 400, after
    which a chain of sources goes on.
    """
    status = status_of(error)
    body = {
        "statusCode": status,
        "message": error.message,
        "error": "invalid_request" if status == 400 else error.kind.slug,
        "error_description": error.message,
    }
    return HttpResponse(status=status, body=msgspec.json.encode(body))


def _audience(credential: CredentialConfig, resource: str) -> str | None:
    """Return the audience to ask for, None for that of the settings."""
    settings = credential.settings
    own = settings.scopes if isinstance(settings, entra.Settings) else ()
    wanted = resource.rstrip("/")
    if own and own[0].removesuffix(_ALL).rstrip("/") == wanted:
        return None
    # As it is written in the configuration, with or without the slash.
    return next((each for each in credential.audiences if each.rstrip("/") == wanted), resource)


def _names_of(credential: CredentialConfig) -> dict[str, str]:
    """Return what a client may call this identity."""
    settings = credential.settings
    if not isinstance(settings, entra.Settings):
        return {}
    names = {"client_id": settings.client_id}
    if isinstance(settings.managed_identity, entra.ManagedIdentity):
        names |= {
            "client_id": settings.managed_identity.client_id,
            "object_id": settings.managed_identity.object_id,
            "resource_id": settings.managed_identity.resource_id,
        }
    return {kind: name for kind, name in names.items() if name}
