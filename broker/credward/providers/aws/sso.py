"""What a login at IAM Identity Center leaves: its text, its access token, its refresh.

The login itself is `sso_login`; the keys for an access token are `sso_portal`, and keeping
the grant durable is the daemon's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec

from credward.errors import BrokerError, Kind, login_required
from credward.providers.aws.client import Aws, attempt
from credward.providers.provider import Grant
from credward.tokens import Secret

__all__ = [
    "NAME",
    "SsoLogin",
    "create_token",
    "login_of",
    "number_of",
    "read_login",
    "refresh",
    "word_of",
]

# An access token with less life than this is not used any more (seconds).
_MARGIN = 300.0
NAME = "IAM Identity Center"
_OVER = (Kind.LOGIN_REQUIRED, "says that the login has expired", "")
# What CreateToken's codes mean while a refresh token is presented (SSO OIDC reference).
_REFRESH_CODES: Mapping[str, tuple[Kind, str, str]] = {
    "AccessDenied": _OVER,
    "ExpiredToken": _OVER,
    "UnauthorizedClient": _OVER,
}
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
        """Return whether the access token is used as it is: to its end if nothing can renew it."""
        return self.access_expires_at - now > (_MARGIN if self.refresh_token else 0.0)

    def to_grant(self) -> Grant:
        """Return the grant to keep; its end is known only where nothing can renew it."""
        return Grant(
            secret=Secret(msgspec.json.encode(self).decode()),
            ends_at=None if self.refresh_token else self.access_expires_at,
        )


def read_login(credential: str, grant: Secret | None) -> SsoLogin:
    """Return the login that *grant* holds; raise `login-required` if there is none."""
    if grant is None:
        raise _needs_login(credential, "nobody has logged in yet")
    with contextlib.suppress(msgspec.MsgspecError):
        return msgspec.json.decode(grant.reveal(), type=SsoLogin)
    raise _needs_login(credential, "the stored login is of another kind")


def refresh(aws: Aws, login: SsoLogin, *, region: str) -> SsoLogin:
    """Return *login* with a new access token, and with the refresh token that replaces its own.

    Keeping it is the caller's, but for an answer that is no more than a refresh token.
    """
    now = aws.io.now()
    if login.refresh_token is None:
        raise _needs_login(aws.credential, "it cannot be renewed without a login")
    if login.client_expires_at <= now:
        raise _needs_login(aws.credential, "the client registration has expired")
    answer = create_token(
        aws,
        region,
        login,
        codes=_REFRESH_CODES,
        grantType="refresh_token",
        refreshToken=login.refresh_token,
    )
    try:
        return login_of(aws, answer, login)
    except BrokerError as error:
        if isinstance(replaced := answer.get("refreshToken"), str) and replaced:
            # The old one may be used up: what can be kept of a broken answer is kept.
            kept = msgspec.structs.replace(login, refresh_token=replaced, access_expires_at=0.0)
            aws.io.save_grant(kept.to_grant())
            raise error.failure.unsent().error() from error
        raise


def create_token(
    aws: Aws,
    region: str,
    registered: SsoLogin,
    *,
    codes: Mapping[str, tuple[Kind, str, str]],
    **words: str,
) -> Mapping[str, Any]:
    """Return what CreateToken answers for *words*, its own; *codes* are what failures mean here."""
    client = aws.client("sso-oidc", region=region)
    found: Mapping[str, Any] = attempt(
        aws.credential,
        lambda: client.create_token(
            clientId=registered.client_id, clientSecret=registered.client_secret, **words
        ),
        service=NAME,
        overrides=codes,
        login=f"credward login {aws.credential}",
    )
    return found


def login_of(aws: Aws, answer: Mapping[str, Any], before: SsoLogin) -> SsoLogin:
    """Return *before* with the tokens of *answer*; a refresh token that is not replaced stays."""
    lifetime = number_of(aws, answer, "expiresIn")
    if not 0 < lifetime < _HORIZON:
        raise _unreadable(aws, "expiresIn")
    replaced = answer.get("refreshToken")
    return msgspec.structs.replace(
        before,
        access_token=word_of(aws, answer, "accessToken"),
        access_expires_at=aws.io.now() + lifetime,
        refresh_token=str(replaced) if replaced else before.refresh_token,
    )


def word_of(aws: Aws, answer: Mapping[str, Any], member: str) -> str:
    """Return a text of *answer*, or raise `provider-refused` if there is none."""
    value = answer.get(member)
    if not isinstance(value, str) or not value:
        raise _unreadable(aws, member)
    return value


def number_of(aws: Aws, answer: Mapping[str, Any], member: str) -> float:
    """Return a number of *answer*, or raise `provider-refused` if there is none."""
    value = answer.get(member)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unreadable(aws, member)
    return float(value)


def _unreadable(aws: Aws, member: str) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{aws.credential}" got no token, {NAME} answered without a usable {member}: '
        "check for a proxy in between",
        sent="maybe",
    )


def _needs_login(credential: str, reason: str) -> BrokerError:
    return login_required(credential, reason=reason).error()
