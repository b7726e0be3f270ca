"""Logs in at IAM Identity Center: in the browser or by device code.

What a login leaves, and its refresh, is `sso`; the human is reached by *io*.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from credward.errors import BrokerError, Kind
from credward.providers.aws.client import Aws, attempt
from credward.providers.aws.sso import (
    NAME,
    SsoLogin,
    create_token,
    login_of,
    number_of,
    word_of,
)
from credward.providers.provider import LoginIo

__all__ = ["log_in_browser", "log_in_device"]

_SCOPE = "sso:account:access"
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
# RFC 8628 sections 3.2 and 3.5, in seconds.
_INTERVAL = 5.0
_SLOWER = 5.0
# What CreateToken's codes mean while a device code is presented: the human's answer, or none.
_DEVICE_CODES: Mapping[str, tuple[Kind, str, str]] = {
    "AccessDenied": (Kind.PROVIDER_REFUSED, "was told no", "log in again and allow it"),
    "ExpiredToken": (Kind.PROVIDER_REFUSED, "got no answer in time", "log in again"),
}
_NOT_YET = frozenset({"AuthorizationPending", "SlowDown"})


def log_in_browser(aws: Aws, io: LoginIo, *, start_url: str, region: str) -> SsoLogin:
    """Log in by authorization code with PKCE (RFC 7636) and a redirect to loopback."""
    registered = _register(
        aws,
        region,
        grantTypes=["authorization_code", "refresh_token"],
        # The port is left open: any port of loopback fits (RFC 8252 section 7.3).
        redirectUris=["http://127.0.0.1/oauth/callback"],
        issuerUrl=start_url,
    )
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    host = str(aws.client("sso-oidc", region=region).meta.endpoint_url).rstrip("/")
    redirect_uri = ""

    def make_url(uri: str) -> str:
        nonlocal redirect_uri
        redirect_uri = uri
        query = {
            "response_type": "code",
            "client_id": registered.client_id,
            "redirect_uri": uri,
            "state": state,
            "code_challenge_method": "S256",
            "code_challenge": challenge.decode().rstrip("="),
            # Not "scope": AWS has its own word.
            "scopes": _SCOPE,
        }
        return f"{host}/authorize?{urlencode(query)}"

    answer = io.receive_redirect(make_url, path="/oauth/callback")
    if not secrets.compare_digest(answer.get("state", "").encode(), state.encode()):
        raise _no_login(aws.credential, "the redirect belongs to another login")
    if not answer.get("code"):
        raise _no_login(aws.credential, "it was refused in the browser")
    found = create_token(
        aws,
        region,
        registered,
        codes={},
        grantType="authorization_code",
        code=answer["code"],
        codeVerifier=verifier,
        redirectUri=redirect_uri,
    )
    return login_of(aws, found, registered)


def log_in_device(aws: Aws, io: LoginIo, *, start_url: str, region: str) -> SsoLogin:
    """Log in by a code that the user types in elsewhere (RFC 8628)."""
    registered = _register(aws, region, grantTypes=[_DEVICE_GRANT, "refresh_token"])
    client = aws.client("sso-oidc", region=region)
    started = attempt(
        aws.credential,
        lambda: client.start_device_authorization(
            clientId=registered.client_id,
            clientSecret=registered.client_secret,
            startUrl=start_url,
        ),
        service=NAME,
    )
    parameters = {
        "clientId": registered.client_id,
        "clientSecret": registered.client_secret,
        "grantType": _DEVICE_GRANT,
        "deviceCode": word_of(aws, started, "deviceCode"),
    }
    io.show_code(
        user_code=word_of(aws, started, "userCode"),
        url=word_of(aws, started, "verificationUri"),
        complete_url=started.get("verificationUriComplete"),
    )
    interval = float(started.get("interval") or _INTERVAL)
    ends_at = io.now() + number_of(aws, started, "expiresIn")
    while io.now() + interval <= ends_at:
        io.wait(interval)
        match _poll(aws, client, parameters):
            case "AuthorizationPending":
                pass
            case "SlowDown":
                interval += _SLOWER
            case "Silence":
                interval *= 2
            case found:
                return login_of(aws, found, registered)
    raise _no_login(aws.credential, "nobody entered the code in time")


def _poll(aws: Aws, client: Any, parameters: Mapping[str, str]) -> Any:
    """Return the answer of CreateToken, or the code for why there is none yet."""

    def create() -> Any:
        try:
            return client.create_token(**parameters)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if (code := code.removesuffix("Exception")) in _NOT_YET:
                return code
            raise

    try:
        return attempt(aws.credential, create, service=NAME, overrides=_DEVICE_CODES)
    except BrokerError as failure:
        # RFC 8628 section 3.5: after a lost poll, go on more slowly.
        if failure.kind in {Kind.TIMED_OUT, Kind.PROVIDER_UNREACHABLE}:
            return "Silence"
        raise


def _register(aws: Aws, region: str, **words: Any) -> SsoLogin:
    """Register a public client, which the login is bound to; return it as a login without token."""
    client = aws.client("sso-oidc", region=region)
    found = attempt(
        aws.credential,
        lambda: client.register_client(
            clientName="credward", clientType="public", scopes=[_SCOPE], **words
        ),
        service=NAME,
    )
    return SsoLogin(
        access_token="",
        access_expires_at=0.0,
        client_id=word_of(aws, found, "clientId"),
        client_secret=word_of(aws, found, "clientSecret"),
        client_expires_at=number_of(aws, found, "clientSecretExpiresAt"),
    )


def _no_login(credential: str, reason: str) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{credential}" is not logged in, {reason}: run credward login {credential} again',
    )
