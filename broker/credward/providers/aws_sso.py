"""Our own login at IAM Identity Center: in the browser or by device code, and its refresh.

Speaks SSO OIDC (RegisterClient, StartDeviceAuthorization, CreateToken); the keys for an access
token are `aws_sso_portal`, keeping the grant durable is the daemon's.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from botocore.exceptions import ClientError

from credward.errors import BrokerError, Kind
from credward.providers.aws_client import Aws, attempt
from credward.providers.provider import Grant, LoginIo
from credward.tokens import Secret

__all__ = ["SsoLogin", "log_in_browser", "log_in_device", "read_login", "refresh"]

_SCOPE = "sso:account:access"
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
# An access token with less life than this is not used any more (seconds).
_MARGIN = 300.0
# RFC 8628 sections 3.2 and 3.5, in seconds.
_INTERVAL = 5.0
_SLOWER = 5.0
_NAME = "IAM Identity Center"
_OVER = (Kind.LOGIN_REQUIRED, "says that the login is over", "")
# What CreateToken's codes mean while a refresh token is presented (SSO OIDC reference).
_REFRESH_CODES: Mapping[str, tuple[Kind, str, str]] = {
    "AccessDenied": _OVER,
    "ExpiredToken": _OVER,
    "UnauthorizedClient": _OVER,
}
# And while a device code is: the human answered, or did not.
_DEVICE_CODES: Mapping[str, tuple[Kind, str, str]] = {
    "AccessDenied": (Kind.PROVIDER_REFUSED, "was told no", "log in again and allow it"),
    "ExpiredToken": (Kind.PROVIDER_REFUSED, "got no answer in time", "log in again"),
}
_NOT_YET = frozenset({"AuthorizationPending", "SlowDown"})
# Ten years: what lies beyond is garbage (seconds).
_HORIZON = 315_360_000.0


class SsoLogin(msgspec.Struct, frozen=True, kw_only=True):
    """What a login leaves: the text of the grant. Times are Unix seconds."""

    access_token: str
    access_expires_at: float
    client_id: str
    client_secret: str
    client_expires_at: float
    refresh_token: str | None = None

    def __repr__(self) -> str:
        return "SsoLogin(***)"

    def good(self, now: float) -> bool:
        """Tell whether the access token is used as it is: to its end where nothing renews it."""
        return self.access_expires_at - now > (_MARGIN if self.refresh_token else 0.0)

    def to_grant(self) -> Grant:
        """Return the grant to keep; its end is known only where nothing can renew it."""
        return Grant(
            secret=Secret(msgspec.json.encode(self).decode()),
            ends_at=None if self.refresh_token else self.access_expires_at,
        )


def read_login(credential: str, grant: Secret | None) -> SsoLogin:
    """Return the login that *grant* holds; raise `login-required` where there is none."""
    if grant is None:
        raise _needs_login(credential, "none has been made yet")
    with contextlib.suppress(msgspec.MsgspecError):
        return msgspec.json.decode(grant.reveal(), type=SsoLogin)
    raise _needs_login(credential, "the kept one is of another kind")


def refresh(aws: Aws, login: SsoLogin, *, region: str) -> SsoLogin:
    """Return *login* with a new access token, and with the refresh token that replaces its own."""
    now = aws.io.now()
    if login.refresh_token is None:
        raise _needs_login(aws.credential, "it cannot be renewed without a human")
    if login.client_expires_at <= now:
        raise _needs_login(aws.credential, "the registration of the client is over")
    answer = _create_token(
        aws,
        region,
        login,
        codes=_REFRESH_CODES,
        grantType="refresh_token",
        refreshToken=login.refresh_token,
    )
    return _login_of(aws, answer, login)


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
    found = _create_token(
        aws,
        region,
        registered,
        codes={},
        grantType="authorization_code",
        code=answer["code"],
        codeVerifier=verifier,
        redirectUri=redirect_uri,
    )
    return _login_of(aws, found, registered)


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
        service=_NAME,
    )
    parameters = {
        "clientId": registered.client_id,
        "clientSecret": registered.client_secret,
        "grantType": _DEVICE_GRANT,
        "deviceCode": _word(aws, started, "deviceCode"),
    }
    io.show_code(
        user_code=_word(aws, started, "userCode"),
        url=_word(aws, started, "verificationUri"),
        complete_url=started.get("verificationUriComplete"),
    )
    interval = float(started.get("interval") or _INTERVAL)
    ends_at = io.now() + _number(aws, started, "expiresIn")
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
                return _login_of(aws, found, registered)
    raise _no_login(aws.credential, "nobody entered the code in time")


def _poll(aws: Aws, client: Any, parameters: Mapping[str, str]) -> Any:
    """Return the answer of CreateToken, or the word for why there is none yet."""

    def create() -> Any:
        try:
            return client.create_token(**parameters)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if (code := code.removesuffix("Exception")) in _NOT_YET:
                return code
            raise

    try:
        return attempt(aws.credential, create, service=_NAME, overrides=_DEVICE_CODES)
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
        service=_NAME,
    )
    return SsoLogin(
        access_token="",
        access_expires_at=0.0,
        client_id=_word(aws, found, "clientId"),
        client_secret=_word(aws, found, "clientSecret"),
        client_expires_at=_number(aws, found, "clientSecretExpiresAt"),
    )


def _create_token(
    aws: Aws,
    region: str,
    registered: SsoLogin,
    *,
    codes: Mapping[str, tuple[Kind, str, str]],
    **words: str,
) -> Mapping[str, Any]:
    client = aws.client("sso-oidc", region=region)
    found: Mapping[str, Any] = attempt(
        aws.credential,
        lambda: client.create_token(
            clientId=registered.client_id, clientSecret=registered.client_secret, **words
        ),
        service=_NAME,
        overrides=codes,
        login=f"credward login {aws.credential}",
    )
    return found


def _login_of(aws: Aws, answer: Mapping[str, Any], before: SsoLogin) -> SsoLogin:
    """Return *before* with the tokens of *answer*; a refresh token that is not replaced stays."""
    lifetime = _number(aws, answer, "expiresIn")
    if not 0 < lifetime < _HORIZON:
        raise _unreadable(aws, "expiresIn")
    replaced = answer.get("refreshToken")
    return msgspec.structs.replace(
        before,
        access_token=_word(aws, answer, "accessToken"),
        access_expires_at=aws.io.now() + lifetime,
        refresh_token=str(replaced) if replaced else before.refresh_token,
    )


def _word(aws: Aws, answer: Mapping[str, Any], member: str) -> str:
    value = answer.get(member)
    if not isinstance(value, str) or not value:
        raise _unreadable(aws, member)
    return value


def _number(aws: Aws, answer: Mapping[str, Any], member: str) -> float:
    value = answer.get(member)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unreadable(aws, member)
    return float(value)


def _unreadable(aws: Aws, member: str) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{aws.credential}" got no token, {_NAME} answered without a usable {member}: '
        "check the network's proxy",
        sent="maybe",
    )


def _needs_login(credential: str, reason: str) -> BrokerError:
    return BrokerError(
        Kind.LOGIN_REQUIRED,
        f'"{credential}" needs a login, {reason}: run credward login {credential}',
    )


def _no_login(credential: str, reason: str) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{credential}" is not logged in, {reason}: run credward login {credential} again',
    )
