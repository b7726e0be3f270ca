"""The grant of a user's login as text: a refresh token and whose it is.

Only `provider` and `login` read it; keeping it is the daemon's.
"""

from __future__ import annotations

import msgspec

from credward.errors import login_required
from credward.providers.provider import Grant
from credward.tokens import Secret

__all__ = ["EntraGrant", "read_grant", "write_grant"]


class EntraGrant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """*account* is the user principal name, or what else the ID token calls the user."""

    refresh_token: str
    account: str | None = None

    def __repr__(self) -> str:
        return "EntraGrant(***)"


def read_grant(secret: Secret | None, credential: str) -> EntraGrant:
    """Return what *secret* holds, or raise `login-required`.

    That is our own JSON, or a refresh token that was handed over (`login --grant-stdin`).
    """
    text = "" if secret is None else secret.reveal().strip()
    if text.startswith("{"):
        try:
            grant = msgspec.json.decode(text, type=EntraGrant)
        except (msgspec.DecodeError, UnicodeError):
            # Its text is not repeated, and what is damaged is as good as none.
            grant = EntraGrant(refresh_token="")
    else:
        grant = EntraGrant(refresh_token=text)
    token = grant.refresh_token
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise login_required(credential).error()
    return grant


def write_grant(refresh_token: str, account: str | None) -> Grant:
    """Return the grant; the end of a refresh token is unknown."""
    grant = EntraGrant(refresh_token=refresh_token, account=account)
    return Grant(secret=Secret(msgspec.json.encode(grant).decode()), account=account)
