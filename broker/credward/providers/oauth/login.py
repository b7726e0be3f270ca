"""Logins: by the browser with PKCE on loopback (RFC 8252, 7636), by a device code (RFC 8628).

Talks to the user through `LoginIo` alone; the grant that comes of it is kept by the daemon.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Any

from oauthlib.common import add_params_to_uri
from oauthlib.oauth2 import WebApplicationClient

from credward.errors import BrokerError, Kind
from credward.providers.expiry import read_jwt_claims
from credward.providers.oauth.client import OAuthClient
from credward.providers.oauth.device import poll, read_device_answer
from credward.providers.oauth.dpop import ProofKey
from credward.providers.oauth.errors import refusal, shown_code
from credward.providers.oauth.grants import HeldGrant
from credward.providers.oauth.server import AuthorizationServer, find_server
from credward.providers.oauth.tokens import (
    check_id_token,
    read_account,
    read_end_of_grant,
    read_refresh_token,
)
from credward.providers.oauth.words import narrowing
from credward.providers.provider import Grant, LoginIo, ProviderRequest
from credward.settings.oauth import Settings
from credward.tokens import Secret

__all__ = ["log_in_by_browser", "log_in_by_device"]


def log_in_by_browser(token_request: ProviderRequest, io: LoginIo) -> Grant:
    """Send the user's browser to the server and exchange the code that it comes back with."""
    settings = token_request.settings
    assert isinstance(settings, Settings)
    server = find_server(token_request, io, "authorization_endpoint", "token_endpoint")
    endpoint = server.endpoint("authorization_endpoint", token_request.credential)
    pkce = WebApplicationClient(settings.client_id)
    verifier = pkce.create_code_verifier(64)
    state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    fields = {
        "response_type": "code",
        "client_id": settings.client_id,
        "state": state,
        "code_challenge": pkce.create_code_challenge(verifier, "S256"),
        "code_challenge_method": "S256",
        **narrowing(token_request, keep_scope=True),
        **_openid(settings, nonce),
        **settings.authorization_parameters,
    }
    used: list[str] = []

    def make_url(redirect_uri: str) -> str:
        used.append(redirect_uri)
        return add_params_to_uri(endpoint, [*fields.items(), ("redirect_uri", redirect_uri)])

    query = io.receive_redirect(
        make_url,
        path=settings.redirect_path,
        host=settings.redirect_host,
        ports=settings.redirect_ports,
    )
    code = _read_redirect(query, token_request, server, state)
    key = ProofKey.generate() if settings.dpop else None
    asked_at = io.now()
    answer = OAuthClient(token_request, io, server, key=key).ask(
        "authorization_code",
        {"code": code, "redirect_uri": used[-1], "code_verifier": verifier},
    )
    return _make_grant(answer, token_request, key, asked_at, nonce=fields.get("nonce"))


def log_in_by_device(token_request: ProviderRequest, io: LoginIo) -> Grant:
    """Show a code that the user types elsewhere, and wait until that was done."""
    settings = token_request.settings
    assert isinstance(settings, Settings)
    server = find_server(token_request, io, "device_authorization_endpoint", "token_endpoint")
    key = ProofKey.generate() if settings.dpop else None
    client = OAuthClient(token_request, io, server, key=key)
    response = client.send(
        "device_authorization_endpoint", narrowing(token_request, keep_scope=True)
    )
    begun = read_device_answer(
        client.read(response, "device_authorization_endpoint"), token_request.credential
    )
    io.show_code(user_code=begun.user_code, url=begun.url, complete_url=begun.complete_url)
    asked_at = io.now()
    answer = poll(client, begun, token_request.credential, io)
    return _make_grant(answer, token_request, key, asked_at)


def _openid(settings: Settings, nonce: str) -> dict[str, str]:
    scopes = (settings.scope or "").split()
    fields = {"nonce": nonce} if "openid" in scopes else {}
    if "offline_access" in scopes:
        # Without it the scope is ignored (OpenID Connect Core section 11).
        fields["prompt"] = "consent"
    return fields


def _read_redirect(
    query: Mapping[str, str],
    token_request: ProviderRequest,
    server: AuthorizationServer,
    state: str,
) -> str:
    """Return the code, once it is certain whose answer this is."""
    name = token_request.credential
    if not hmac.compare_digest(query.get("state", "").encode(), state.encode()):
        raise _not_done(name, "the browser came back from another login (state)")
    # RFC 9207: it says which server answered, so that one cannot pass for another.
    if (issuer := query.get("iss")) is not None:
        if server.issuer is not None and issuer != server.issuer:
            raise _not_done(name, "the browser came back from another server (iss)")
    elif server.names_itself:
        raise _not_done(name, "the browser came back without the name of the server (iss)")
    if (error := query.get("error")) is not None:
        if error == "access_denied":
            raise _not_done(name, "it was denied (access_denied)")
        if shown_code(error) is None:
            raise _not_done(name, "the server answered an unknown error code")
        raise refusal(error, name, "the server")
    if not (code := query.get("code")):
        raise _not_done(name, "the browser came back without a code")
    return code


def _make_grant(
    answer: Mapping[str, Any],
    token_request: ProviderRequest,
    key: ProofKey | None,
    asked_at: float,
    *,
    nonce: str | None = None,
) -> Grant:
    id_token = answer.get("id_token")
    if isinstance(id_token, str):
        check_id_token(read_jwt_claims(id_token), token_request, nonce=nonce)
    if (text := read_refresh_token(answer)) is None:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{token_request.credential}" got no refresh token from its login: '
            "add offline_access to scope, or what this server needs for one",
        )
    return Grant(
        secret=HeldGrant(refresh_token=Secret(text), key=key).seal(),
        account=read_account(answer),
        ends_at=read_end_of_grant(answer, asked_at),
    )


def _not_done(name: str, problem: str) -> BrokerError:
    return BrokerError(
        Kind.LOGIN_REQUIRED, f'"{name}" was not logged in, {problem}: run credward login {name}'
    )
