"""What the server says about its own token: in the answer of a login, or in a lookup.

Only reads; how a token is come by is `login` and `oidc`, what becomes of it `provider`.
"""

from __future__ import annotations

from typing import Any

from credward.errors import BrokerError, Kind, login_required
from credward.providers.provider import Io
from credward.providers.vault.client import RefusedError, VaultClient, ask_vault
from credward.providers.vault.state import LONGEST_LIFE, VaultToken

__all__ = ["expired_token", "look_up", "read_auth", "read_longest", "settle_end"]


def look_up(vault: VaultClient, text: str, io: Io) -> VaultToken:
    """Return what the server says about the token *text*; `RefusedError` if it is not valid."""
    now = io.now()
    vault.hvac.token = text
    answer = ask_vault(vault, "the look-up of its token", vault.hvac.auth.token.lookup_self)
    data = answer.get("data")
    return _read_lookup(vault, text, data if isinstance(data, dict) else {}, now)


def read_longest(vault: VaultClient, token: VaultToken, io: Io) -> float | None:
    """Return when a renewable token of a login that was just made ends at last, if that is told.

    `explicit_max_ttl` of its look-up, 0 if its role has none (the vendors' HTTP API pages, "Lookup
    a token (self)"); the longest life that a mount allows is not in it.
    """
    vault.hvac.token = token.id
    try:
        answer = ask_vault(vault, "the look-up of its token", vault.hvac.auth.token.lookup_self)
    except BrokerError:
        # Its policy need not allow that; the login has worked.
        return None
    match answer.get("data"):
        case {"explicit_max_ttl": int(seconds)} if 0 < seconds <= LONGEST_LIFE:
            return io.now() + seconds
        case _:
            return None


def settle_end(vault: VaultClient, token: VaultToken, io: Io) -> VaultToken:
    """Return *token* of a login with the end that it has, refuse one that has ended already.

    A `lease_duration` of 0 means a token without an end, or one in its last second.
    """
    if token.ttl:
        return token
    try:
        found = look_up(vault, token.id, io)
    except RefusedError as error:
        if error.status != 403:
            raise
        raise _unknown_end(vault) from None
    if found.has_ended(io.now()):
        raise BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{vault.name}" got no token, the one that {vault.host} sent has ended already: '
            "correct the life of the role's tokens",
            sent="maybe",
        )
    return found


def expired_token(vault: VaultClient) -> BrokerError:
    """Return the failure of a credential whose token only its owner can replace."""
    if vault.settings.auth_method == "oidc":
        return login_required(vault.name).error()
    return RefusedError(
        403,
        Kind.FIX_CONFIGURATION,
        f'"{vault.name}" got no token, {vault.host} refuses its token, which has expired or was '
        "revoked: replace it",
    )


def read_auth(vault: VaultClient, answer: dict[str, Any], now: float) -> VaultToken:
    """Return the token of a login's or a renewal's answer that was asked for at *now*.

    Its life is in whole seconds, rounded down: 0 in the last one. Then its end is *now*.
    Source: `auth.lease_duration` of the vendors' HTTP API pages, and OpenBao 2.7 itself.
    """
    found = answer.get("auth")
    auth = found if isinstance(found, dict) else {}
    match auth:
        case {"client_token": str(text), "lease_duration": int(ttl)} if (
            _is_token(text) and 0 <= ttl <= LONGEST_LIFE
        ):
            return VaultToken(
                id=text,
                expires_at=now + ttl,
                ttl=float(ttl),
                renewable=auth.get("renewable") is True,
                accessor=_text(auth.get("accessor")),
            )
        case {"mfa_requirement": dict()}:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{vault.name}" got no token, {vault.host} asks for a second factor, which '
                'only a human can give: use another role, or auth_method = "oidc"',
            )
        case _:
            raise BrokerError(
                Kind.PROVIDER_REFUSED,
                f'"{vault.name}" got no token, {vault.host} answered the login without a token: '
                "check address and auth_mount",
                sent="maybe",
            )


def _read_lookup(vault: VaultClient, text: str, data: dict[str, Any], now: float) -> VaultToken:
    """Return the token that *data* describes; only `expire_time: null` says that it never ends.

    How long it lives yet is taken from `ttl`, which does not depend on the clock of the server.
    Source: "Lookup a token (self)" of the vendors' HTTP API pages, and OpenBao 2.7 itself.
    """
    match data:
        case {"ttl": 0, "expire_time": None}:
            ttl, expires_at = 0, None
        case {"ttl": int(ttl), "expire_time": str(end)} if end and 0 <= ttl <= LONGEST_LIFE:
            expires_at = now + ttl
        case _:
            raise _unknown_end(vault)
    whole = data.get("creation_ttl")
    return VaultToken(
        id=text,
        expires_at=expires_at,
        ttl=float(whole if isinstance(whole, int) and whole > ttl else ttl),
        renewable=data.get("renewable") is True,
        accessor=_text(data.get("accessor")),
    )


def _unknown_end(vault: VaultClient) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{vault.name}" got no token, {vault.host} did not say when its token ends: '
        "allow it auth/token/lookup-self, or check address",
        sent="maybe",
    )


def _is_token(text: str) -> bool:
    return text != "" and text.isascii() and text.isprintable()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.isascii() and 0 < len(value) <= 128 else None
