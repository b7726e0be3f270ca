"""Logs a user in to Google with a client of the user's own, and takes the login back.

Authorization code with PKCE on loopback (RFC 8252, RFC 7636;
developers.google.com/identity/protocols/oauth2/native-app). What a login mints is `tokens`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from credward.errors import BrokerError, Kind
from credward.providers.expiry import read_jwt_claims
from credward.providers.gcp.credentials import CLOUD_PLATFORM, TOKEN_URL
from credward.providers.gcp.failures import read_failure
from credward.providers.provider import Grant, HttpRequest, Io, LoginIo
from credward.settings.gcp import Settings
from credward.tokens import Secret

__all__ = ["log_in", "revoke"]

_AUTHORIZE_URL = "https://accounts.google.com/o/oauth2/v2/auth"
_REVOKE_URL = "https://oauth2.googleapis.com/revoke"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def log_in(credential: str, settings: Settings, client_secret: str, io: LoginIo) -> Grant:
    """Bring the user through one login in a browser and return the refresh token as the grant."""
    verifier, state = secrets.token_urlsafe(64), secrets.token_urlsafe(32)
    redirect: list[str] = []

    def make_url(redirect_uri: str) -> str:
        redirect.append(redirect_uri)
        return f"{_AUTHORIZE_URL}?{urlencode(_authorize(settings, redirect_uri, verifier, state))}"

    # Google takes any port of a desktop client on loopback, but no path.
    answer = io.receive_redirect(make_url, path="/")
    if not hmac.compare_digest(answer.get("state", "").encode(), state.encode()):
        raise _failed(credential, "the answer belongs to another login")
    if (code := answer.get("code")) is None:
        raise _failed(credential, "the login was denied")
    fields = _post(
        credential,
        settings,
        TOKEN_URL,
        {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": settings.client_id or "",
            "client_secret": client_secret,
            "redirect_uri": redirect[-1],
            "code_verifier": verifier,
        },
        io,
    )
    token = fields.get("refresh_token")
    if not isinstance(token, str) or not token:
        raise _failed(credential, "Google sent no refresh token")
    claims = read_jwt_claims(str(fields.get("id_token", "")))
    account = claims.get("email")
    account = account.lower() if isinstance(account, str) else None
    if settings.account is not None and account not in {None, settings.account.lower()}:
        raise _failed(credential, f"another account than {settings.account} logged in")
    life = fields.get("refresh_token_expires_in")
    return Grant(
        secret=Secret(token),
        account=account or settings.account,
        # Told where an administrator or the user limited the access in time.
        ends_at=io.now() + life if isinstance(life, int) and life > 0 else None,
    )


def revoke(credential: str, settings: Settings, refresh_token: str, io: Io) -> None:
    """Revoke the login at Google (RFC 7009); an unknown login is not a failure."""
    http_request = HttpRequest(
        method="POST",
        url=_REVOKE_URL,
        headers=_FORM,
        body=urlencode({"token": refresh_token}).encode(),
        timeout=settings.timeout,
    )
    answer = io.send(http_request)
    # Google answers 400 invalid_token if there is nothing left to revoke.
    if answer.status not in {200, 400}:
        raise read_failure(
            credential, http_request, answer, now=io.now(), login_command="credward doctor"
        )


def _authorize(
    settings: Settings, redirect_uri: str, verifier: str, state: str
) -> Mapping[str, str]:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    # The first two tell who logged in.
    wanted = settings.scopes
    if settings.impersonate_service_account is not None or not wanted:
        # The scopes of the settings are then those of the account that is impersonated.
        wanted = (CLOUD_PLATFORM,)
    scopes = dict.fromkeys(("openid", "email", *wanted))
    fields = {
        "response_type": "code",
        "client_id": settings.client_id or "",
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": state,
        "code_challenge": challenge.decode("ascii"),
        "code_challenge_method": "S256",
        # Without it there is no refresh token, or none at the second login.
        "access_type": "offline",
        "prompt": "consent",
    }
    if settings.account is not None:
        fields["login_hint"] = settings.account
    return fields


def _post(
    credential: str, settings: Settings, url: str, form: Mapping[str, str], io: Io
) -> Mapping[str, Any]:
    http_request = HttpRequest(
        method="POST",
        url=url,
        headers=_FORM,
        body=urlencode(form).encode(),
        timeout=settings.timeout,
    )
    answer = io.send(http_request)
    if answer.status != 200:
        command = f"credward login {credential}"
        raise read_failure(credential, http_request, answer, now=io.now(), login_command=command)
    fields: object = None
    # Not chained: the error holds the answer.
    with contextlib.suppress(ValueError, RecursionError):
        fields = json.loads(answer.body)
    if not isinstance(fields, dict):
        raise _failed(credential, "Google's answer is invalid")
    return fields


def _failed(credential: str, problem: str) -> BrokerError:
    return BrokerError(
        Kind.LOGIN_REQUIRED,
        f'"{credential}" was not logged in, {problem}: run credward login {credential}',
        sent="maybe",
    )
