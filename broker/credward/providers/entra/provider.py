"""Mints tokens of Microsoft Entra ID, by msal over the one outbound transport, or by `az`.

Chooses the way that the settings name. Logins are `login`; what a refusal means is
`errors`, and what an answer holds is `answers`.
"""

from __future__ import annotations

from typing import Any, assert_never

from credward.errors import BrokerError, Kind
from credward.providers.entra.answers import read_token
from credward.providers.entra.az import mint_by_az
from credward.providers.entra.clients import make_client
from credward.providers.entra.errors import Asker, read_refusal
from credward.providers.entra.grants import read_grant, write_grant
from credward.providers.entra.http import MsalHttp, call_msal
from credward.providers.entra.identity import mint_by_identity
from credward.providers.entra.login import log_in
from credward.providers.entra.scopes import choose_scopes
from credward.providers.provider import Grant, Io, LoginIo, LoginMethod, ProviderRequest
from credward.providers.references import read_secret
from credward.settings.entra import Settings
from credward.tokens import Token

__all__ = ["EntraProvider"]


class EntraProvider:
    """Mints once for an application, a managed identity, a user who logged in, or by az."""

    def mint(self, token_request: ProviderRequest, io: Io) -> Token:
        """Ask once. A refresh token that comes along is kept before the token is returned."""
        settings, scopes = _read(token_request)
        match settings.way:
            case "az":
                return mint_by_az(settings, token_request.credential, scopes, io)
            case "managed_identity":
                return mint_by_identity(settings, token_request.credential, scopes, io)
            case "application":
                return _mint_for_application(token_request, settings, scopes, io)
            case "user":
                return _mint_for_user(token_request, settings, scopes, io)
            case _:
                assert_never(settings.way)

    def login(self, token_request: ProviderRequest, io: LoginIo, method: LoginMethod) -> Grant:
        """Bring a user through the sign-in page, or through a code shown here (RFC 8628)."""
        settings, scopes = _read(token_request)
        if settings.way != "user":
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{token_request.credential}" has no login of its own: '
                + ("run az login" if settings.way == "az" else "nothing to do"),
            )
        return log_in(token_request, scopes, io, method)


def _read(token_request: ProviderRequest) -> tuple[Settings, tuple[str, ...]]:
    settings = token_request.settings
    assert isinstance(settings, Settings)
    return settings, choose_scopes(settings, token_request.audience, token_request.scopes)


def _mint_for_application(
    token_request: ProviderRequest, settings: Settings, scopes: tuple[str, ...], io: Io
) -> Token:
    credential = token_request.credential
    asker = _asker(token_request.credential, settings)
    http = MsalHttp(io, asker, settings.timeout)
    now = io.now()
    client = make_client(token_request, http, io)

    def ask() -> Any:
        if settings.on_behalf_of is None:
            return client.acquire_token_for_client(list(scopes), claims_challenge=settings.claims)
        # Microsoft identity platform, "OAuth 2.0 On-Behalf-Of flow" (RFC 7523 section 2.1).
        user = read_secret(token_request, "on_behalf_of", io).reveal().strip()
        return client.acquire_token_on_behalf_of(
            user, list(scopes), claims_challenge=settings.claims
        )

    result = call_msal(http, credential, ask)
    if "error" in result:
        raise read_refusal(result, asker)
    return read_token(result, credential, now=now, audience=_audience(scopes))


def _mint_for_user(
    token_request: ProviderRequest, settings: Settings, scopes: tuple[str, ...], io: Io
) -> Token:
    """Refresh (RFC 6749 section 6); an answer without a new refresh token keeps the old one."""
    credential = token_request.credential
    grant = read_grant(token_request.grant, credential)
    asker = _asker(credential, settings)
    http = MsalHttp(io, asker, settings.timeout)
    now = io.now()
    client = make_client(token_request, http, io)
    data = {"claims": settings.claims} if settings.claims else {}
    try:
        result = call_msal(
            http,
            credential,
            lambda: client.acquire_token_by_refresh_token(
                grant.refresh_token, list(scopes), data=data
            ),
        )
    finally:
        # First, and from the raw answer: even if the rest is wrong or msal refuses it, the old one
        # may be used up.
        rotated = http.granted.get("refresh_token")
        if isinstance(rotated, str) and rotated and rotated != grant.refresh_token:
            io.save_grant(write_grant(rotated, grant.account))
    if "error" in result:
        raise read_refusal(result, asker)
    if settings.token == "id":  # noqa: S105 - a word, not a token
        return read_token(
            result, credential, now=now, audience=settings.client_id, field="id_token"
        )
    return read_token(result, credential, now=now, audience=_audience(scopes))


def _asker(credential: str, settings: Settings) -> Asker:
    return Asker(
        credential=credential,
        tenant=settings.tenant or "the tenant",
        client_id=settings.client_id or "the application",
        login=f"run credward login {credential}" if settings.way == "user" else None,
    )


def _audience(scopes: tuple[str, ...]) -> str | None:
    """Return the audience of the token: the part before the last word of its scopes."""
    return scopes[0].rpartition("/")[0] or None if scopes else None
