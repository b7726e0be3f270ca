"""Asks the platform for the token of a managed identity, by msal: virtual machines, App Service.

learn.microsoft.com, "How managed identities for Azure resources work with virtual machines" and
"REST endpoint reference" of App Service. What the token is, is `answers`.
"""

from __future__ import annotations

import msgspec

from credward.errors import BrokerError, Kind
from credward.providers.entra.answers import read_number, read_token
from credward.providers.entra.clients import load_msal
from credward.providers.entra.errors import Asker
from credward.providers.entra.http import MsalHttp, call_msal
from credward.providers.provider import HttpResponse, Io
from credward.settings.entra import ManagedIdentity, Settings
from credward.tokens import Token

__all__ = ["mint_by_identity"]


class _IdentityHttp(MsalHttp):
    """Leaves refusals to us and to msal, which answers a 401 of Azure Arc by reading a file."""

    status = 0

    def tolerates(self, response: HttpResponse) -> bool:
        if refused := 400 <= response.status < 500:
            self.status = response.status
        return refused


def mint_by_identity(settings: Settings, credential: str, scopes: tuple[str, ...], io: Io) -> Token:
    """Ask once, for the resource of the only scope."""
    msal = load_msal()
    http = _IdentityHttp(io, Asker(credential=credential), settings.timeout)
    resource = scopes[0].removesuffix("/.default")
    now = io.now()

    def ask() -> None:
        # Its answer is read from `http.answer`, because msal counts the end by its own clock.
        msal.ManagedIdentityClient(
            _identity(settings, msal), http_client=http
        ).acquire_token_for_client(resource=resource)

    try:
        call_msal(http, credential, ask)
    except BrokerError as error:
        failure = error.failure
        unreached = failure.kind is Kind.PROVIDER_UNREACHABLE and failure.sent == "no"
        if unreached and not http.status:
            hint = "only machines and services in Azure have managed identities"
            raise msgspec.structs.replace(failure, hint=hint).error() from error
        if failure.kind is not Kind.PROVIDER_REFUSED or not http.status:
            raise
    if not http.answer.get("access_token"):
        raise _refusal(http, settings, credential)
    answer = dict(http.answer)
    if read_number(answer.get("expires_on")) is None:
        # Old App Service endpoints write a date there.
        answer.pop("expires_on", None)
    return read_token(answer, credential, now=now, audience=resource)


def _identity(settings: Settings, msal: object) -> object:
    chosen = settings.managed_identity
    if isinstance(chosen, ManagedIdentity):
        names = {name: getattr(chosen, name) for name in chosen.__struct_fields__}
        return msal.UserAssignedManagedIdentity(**names)  # type: ignore[attr-defined]
    if settings.client_id is not None:
        return msal.UserAssignedManagedIdentity(client_id=settings.client_id)  # type: ignore[attr-defined]
    return msal.SystemAssignedManagedIdentity()  # type: ignore[attr-defined]


def _refusal(http: _IdentityHttp, settings: Settings, credential: str) -> BrokerError:
    """Return what a refusal means, by status: the texts differ from service to service."""
    status, error = http.status, http.answer.get("error")
    text = str(http.answer.get("error_description") or http.answer.get("message") or "").lower()
    where = f'"{credential}" got no token'
    if status in {404, 410}:
        return BrokerError(
            Kind.PROVIDER_UNREACHABLE,
            f"{where}, the identity endpoint is being updated (HTTP {status}): retrying by itself",
        )
    if status in {401, 403} or error == "unauthorized_client":
        return BrokerError(
            Kind.FIX_CONFIGURATION,
            f"{where}, the identity endpoint does not accept this process (HTTP {status}): "
            "restart credward in the service that the identity belongs to",
        )
    if "identity" in text or error == "invalid_client":
        whose = "this user-assigned" if _names_one(settings) else "a system-assigned"
        return BrokerError(
            Kind.FIX_CONFIGURATION,
            f"{where}, the machine does not have {whose} identity: "
            "assign it, or correct managed_identity",
        )
    if status == 400 or error == "invalid_scope":
        return BrokerError(
            Kind.FIX_CONFIGURATION,
            f"{where}, the identity endpoint does not know the audience (HTTP {status}): "
            "correct scope or resource",
        )
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f"{where}, the identity endpoint sent no token (HTTP {status or 200}): "
        "check the identity in the portal",
    )


def _names_one(settings: Settings) -> bool:
    return settings.managed_identity is not True or settings.client_id is not None
