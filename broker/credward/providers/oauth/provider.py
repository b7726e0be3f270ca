"""Mints tokens at an OAuth 2.0 authorization server, for a user who logged in or for the client.

Logins are `login`; who the client is proves `client`; answers are read by
`answers` and `tokens`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from credward.errors import BrokerError
from credward.providers.oauth.client import OAuthClient
from credward.providers.oauth.grants import HeldGrant, read_grant
from credward.providers.oauth.login import log_in_by_browser, log_in_by_device
from credward.providers.oauth.server import check_server, find_server
from credward.providers.oauth.tokens import (
    read_account,
    read_end_of_grant,
    read_refresh_token,
    read_token,
)
from credward.providers.oauth.words import narrowing, token_type_name
from credward.providers.provider import (
    Grant,
    Io,
    LoginIo,
    LoginMethod,
    ProviderRequest,
    nothing_sent,
)
from credward.providers.references import read_secret
from credward.settings.oauth import Settings
from credward.tokens import Secret, Token

__all__ = ["OAuthProvider"]

_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class OAuthProvider:
    """Speaks to one authorization server for one client, as the settings say."""

    def mint(self, token_request: ProviderRequest, io: Io) -> Token:
        """Exchange the grant for one token; a grant that was rotated is kept before it is returned.

        RFC 6749 sections 4.4 and 6, RFC 7523 section 2.1, RFC 8693.
        """
        settings = token_request.settings
        assert isinstance(settings, Settings)
        if settings.for_user:
            return _refresh(token_request, settings, io)
        client = OAuthClient(token_request, io, find_server(token_request, io, "token_endpoint"))
        with nothing_sent():
            grant_type, fields = _trade(token_request, settings, io, client)
        asked_at = io.now()
        return read_token(client.ask(grant_type, fields), token_request, asked_at=asked_at)

    def login(self, token_request: ProviderRequest, io: LoginIo, method: LoginMethod) -> Grant:
        """Bring the user through one login and return the refresh token that came of it."""
        if method == "device":
            return log_in_by_device(token_request, io)
        return log_in_by_browser(token_request, io)

    def check(self, token_request: ProviderRequest, io: Io) -> None:
        """Check that the server is there, is the one that is meant, and has a login."""
        check_server(token_request, io)

    def revoke(self, token_request: ProviderRequest, io: Io) -> None:
        """Revoke the refresh token, and with it what the server hung on it (RFC 7009)."""
        try:
            held = read_grant(token_request)
            server = find_server(token_request, io, "revocation_endpoint")
            client = OAuthClient(token_request, io, server)
            response = client.send(
                "revocation_endpoint",
                {"token": held.refresh_token.reveal(), "token_type_hint": "refresh_token"},
            )
            if not 200 <= response.status < 300:
                client.read(response, "revocation_endpoint")
        except BrokerError as error:
            raise BrokerError(
                error.kind,
                f'"{token_request.credential}" was not revoked, for {error.message}',
                recovery=error.failure.recovery,
                sent=error.failure.sent,
            ) from error


def _refresh(token_request: ProviderRequest, settings: Settings, io: Io) -> Token:
    held = read_grant(token_request)
    server = find_server(token_request, io, "token_endpoint")
    fields = {
        "refresh_token": held.refresh_token.reveal(),
        # What the login was for is meant where nothing is said (RFC 6749 section 6); the scope of
        # the settings was the login's, and what the user left out of it would be refused here.
        **narrowing(token_request, keep_scope=settings.grant_type == "refresh_token"),
    }
    asked_at = io.now()
    answer = OAuthClient(token_request, io, server, key=held.key).ask("refresh_token", fields)
    # Before anything else in the answer is checked: the old one is already used up.
    renewed = _keep(answer, held, io, asked_at)
    try:
        token = read_token(answer, token_request, asked_at=asked_at)
    except BrokerError as error:
        if not renewed:
            raise
        raise error.failure.unsent().error() from error
    if str(answer.get("token_type", "")).lower() == "dpop" and not settings.wants_id_token:
        io.warn(
            "gets tokens that are bound to its key (DPoP), so callers cannot use them: "
            "set dpop = false, or have the server bind refresh tokens only"
        )
    return token


def _keep(answer: Mapping[str, Any], held: HeldGrant, io: Io, now: float) -> bool:
    """Keep the refresh token of *answer*; return whether there was one."""
    text = read_refresh_token(answer)
    if text is None:
        if answer.get("refresh_token"):
            io.warn(
                "got an invalid refresh token and keeps the old one: "
                "ask the administrator of the server"
            )
        return False
    ends_at = read_end_of_grant(answer, now)
    if text != held.refresh_token.reveal() or ends_at is not None:
        renewed = HeldGrant(refresh_token=Secret(text), key=held.key)
        io.save_grant(Grant(secret=renewed.seal(), account=read_account(answer), ends_at=ends_at))
    return True


def _trade(
    token_request: ProviderRequest, settings: Settings, io: Io, client: OAuthClient
) -> tuple[str, dict[str, str]]:
    """Return the grant type and its fields, for grants other than a refresh token."""
    fields = narrowing(token_request, keep_scope=True)
    match settings.grant_type:
        case "token_exchange":
            fields["subject_token"] = read_secret(token_request, "subject_token", io).reveal()
            fields["subject_token_type"] = token_type_name(settings.subject_token_type)
            if settings.requested_token_type is not None:
                fields["requested_token_type"] = token_type_name(settings.requested_token_type)
            return _EXCHANGE, fields
        case "jwt_bearer":
            if settings.signs_its_grant:
                fields["assertion"] = client.sign()
            else:
                fields["assertion"] = read_secret(token_request, "assertion", io).reveal()
            return _JWT_BEARER, fields
        case _:
            return "client_credentials", fields
