"""HashiCorp Vault and OpenBao: keeps a server's token alive, and hands out it or what it reads.

Decides between renewing and starting over; the requests are made by `login`, `oidc` and
`secret`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from credward.errors import BrokerError, Kind
from credward.providers.provider import Grant, Io, LoginIo, LoginMethod, ProviderRequest
from credward.providers.vault.client import (
    RefusedError,
    VaultClient,
    ask_vault,
    make_client,
)
from credward.providers.vault.login import log_in
from credward.providers.vault.oidc import log_in_by_browser
from credward.providers.vault.secret import Reading, make_token, read_path
from credward.providers.vault.state import (
    LONGEST_LIFE,
    Lease,
    VaultToken,
    load_state,
    make_grant,
    name_of,
)
from credward.providers.vault.token import expired_token, look_up, read_auth, read_longest
from credward.settings.vault import Settings
from credward.tokens import Secret, Token

__all__ = ["VaultProvider"]

# If asked again before this part of its life, a secret is being replaced, not extended: it
# was rejected, or somebody said refresh. The lifecycle by itself comes later (part of the life).
_EARLY = 0.25
# The answers to a renewal of what does not end, is gone, or is at its longest life.
_NOT_RENEWED = frozenset({400, 403, 404})


class VaultProvider:
    """Mints by reading a path, or by handing out the server's token itself."""

    def mint(self, token_request: ProviderRequest, io: Io) -> Token:
        """Log in or go on with the login that is kept, then read."""
        if token_request.scopes or token_request.audience:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{token_request.credential}" cannot be narrowed, its role and path decide: '
                "remove serve from its table",
            )
        return _Mint(token_request, io).run()

    def login(self, token_request: ProviderRequest, io: LoginIo, method: LoginMethod) -> Grant:
        """Log in by the server's OIDC method in the browser."""
        settings = token_request.settings
        assert isinstance(settings, Settings)
        name = token_request.credential
        if settings.auth_method != "oidc" or method != "browser":
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{name}" needs no login of this kind: run credward get --fresh {name}',
            )
        vault = make_client(name, settings, io)
        token, account = log_in_by_browser(vault, io)
        state = load_state(vault, None)
        state.token = token
        # The end of a renewable token is unknown, unless its role has a longest life.
        ends_at = read_longest(vault, token, io) if token.renewable else token.expires_at
        return make_grant(state, account=account, ends_at=ends_at)

    def revoke(self, token_request: ProviderRequest, io: Io) -> None:
        """Revoke the kept leases, and the token if it came from our own login."""
        settings = token_request.settings
        assert isinstance(settings, Settings)
        vault = make_client(token_request.credential, settings, io)
        state = load_state(vault, token_request.grant)
        if state.token is not None:
            vault.hvac.token = state.token.id
        elif state.leases and settings.auth_method == "token":
            vault.hvac.token = log_in(vault, token_request, state, io).id
        for lease in state.leases.values():
            _revoke(vault, partial(vault.hvac.sys.revoke_lease, lease.id))
        if state.token is not None:
            _revoke(vault, vault.hvac.auth.token.revoke_self)


class _Mint:
    """One mint: the state that is kept, and what becomes of it."""

    def __init__(self, token_request: ProviderRequest, io: Io) -> None:
        settings = token_request.settings
        assert isinstance(settings, Settings)
        self._request = token_request
        self._settings = settings
        self._io = io
        self._vault = make_client(token_request.credential, settings, io)
        self._state = load_state(self._vault, token_request.grant)
        self._state.leases = {
            key: lease for key, lease in self._state.leases.items() if lease.expires_at > io.now()
        }
        self._saved = msgspec.json.encode(self._state)

    def run(self) -> Token:
        """Mint; a new login or lease is kept even if a later step fails."""
        try:
            return self._mint()
        finally:
            # A given token is not ours to keep, so without a lease there is nothing to save.
            if msgspec.json.encode(self._state) != self._saved:
                self._io.save_grant(make_grant(self._state))

    def _mint(self) -> Token:
        token, kept = self._take_token()
        if token.has_ended(self._io.now()):
            raise expired_token(self._vault)
        self._vault.hvac.token = token.id
        try:
            return self._obtain(token)
        except RefusedError as error:
            refusal = error
        if refusal.status != 403 or not kept or self._is_alive(token):
            raise refusal
        # The kept token was revoked: a definite no, so this is a new start rather than a retry.
        token = self._log_in()
        self._vault.hvac.token = token.id
        return self._obtain(token)

    # --- the server's token

    def _take_token(self) -> tuple[VaultToken, bool]:
        """Return a token, and whether it is one that was kept."""
        token, now = self._state.token, self._io.now()
        if token is None or token.has_ended(now):
            return self._maybe_renew(self._log_in(), 0.5), False
        itself = self._settings.path is None
        # Where the token itself is handed out, nothing else would show that it was revoked.
        if itself and (self._is_early(token, now) or not self._is_alive(token)):
            return self._log_in(), False
        renewed = self._maybe_renew(token, 1 - _EARLY if itself else 0.5)
        if renewed.part_left(now) < 0.5 and not self._is_by_hand:
            return self._log_in(), False
        return renewed, True

    def _is_early(self, token: VaultToken, now: float) -> bool:
        """Whether another token is wanted, rather than a longer life; a human's is kept."""
        return not self._is_by_hand and token.part_left(now) > 1 - _EARLY

    @property
    def _is_by_hand(self) -> bool:
        """Whether only a human, or another program, can get a new token."""
        return self._settings.auth_method in {"oidc", "token"}

    def _log_in(self) -> VaultToken:
        token = log_in(self._vault, self._request, self._state, self._io)
        if self._settings.auth_method != "token":
            self._state.token = token
        return token

    def _maybe_renew(self, token: VaultToken, below: float) -> VaultToken:
        """Return the token, renewed where less of its life is left; what cannot be is no failure.

        The answer tells less than the life that was asked for where the maximum is near.
        """
        now = self._io.now()
        if not token.renewable or token.part_left(now) >= below:
            return token
        self._vault.hvac.token = token.id
        call = partial(self._vault.hvac.auth.token.renew_self, increment=f"{token.ttl:.0f}s")
        try:
            renewed = read_auth(self._vault, ask_vault(self._vault, "a renewal", call), now)
        except RefusedError as error:
            if error.status not in _NOT_RENEWED:
                raise
            return token
        renewed.ttl = max(token.ttl, renewed.ttl)
        if self._settings.auth_method != "token":
            self._state.token = renewed
        return renewed

    def _is_alive(self, token: VaultToken) -> bool:
        try:
            found = look_up(self._vault, token.id, self._io)
        except RefusedError as error:
            return error.status != 403
        return not found.has_ended(self._io.now())

    # --- what is handed out

    def _obtain(self, token: VaultToken) -> Token:
        now = self._io.now()
        if self._settings.path is None:
            return Token(
                secret=Secret(token.id),
                issued_at=now,
                expires_at=token.expires_at,
                upstream_id=token.accessor,
            )
        key = self._lease_key()
        if (lease := self._state.leases.get(key)) is not None and (
            prolonged := self._prolong(lease, token)
        ) is not None:
            return prolonged
        reading = read_path(self._vault, self._io)
        minted = make_token(self._vault, reading, now)
        if not reading.lease_id:
            self._state.leases.pop(key, None)
            return minted
        minted = _until(minted, token)
        assert minted.expires_at is not None
        if lease is not None and self._settings.revoke_on_drop:
            self._drop(lease)
        self._state.leases[key] = Lease(
            id=reading.lease_id,
            data=reading.data,
            expires_at=now + reading.lease_duration,
            ttl=reading.lease_duration,
            renewable=reading.renewable,
            of=name_of(token.id),
            issued_at=now,
            served_until=minted.expires_at,
        )
        return minted

    def _prolong(self, lease: Lease, token: VaultToken) -> Token | None:
        """Return the leased secret with a later end, None if a new one is better."""
        now = self._io.now()
        served = lease.served_until - lease.issued_at
        if lease.of != name_of(token.id) or lease.expires_at <= now:
            return None
        if now < lease.issued_at + _EARLY * served:
            return None
        if lease.expires_at - now < lease.ttl / 2 and not self._renew(lease, now):
            return None
        reading = Reading(
            data=lease.data,
            static=False,
            lease_id=lease.id,
            lease_duration=lease.expires_at - now,
        )
        try:
            minted = _until(make_token(self._vault, reading, now), token)
        except BrokerError:
            # It ended before its lease, by its own word: a new one says what is wrong, if anything.
            return None
        assert minted.expires_at is not None
        if minted.expires_at <= lease.served_until + 1:
            return None
        lease.issued_at, lease.served_until = now, minted.expires_at
        return minted

    def _drop(self, lease: Lease) -> None:
        """Revoke a lease in whose place another one is handed out from now on.

        If that fails it ends by itself: no reason to lose the new one.
        """
        try:
            _revoke(self._vault, partial(self._vault.hvac.sys.revoke_lease, lease.id))
        except BrokerError:
            self._io.warn("could not revoke its previous lease, which ends by itself")

    def _renew(self, lease: Lease, now: float) -> bool:
        """Renew *lease* for its first life; False near its maximum, and if it is gone."""
        if not lease.renewable:
            return False
        call = partial(
            self._vault.hvac.sys.renew_lease, lease_id=lease.id, increment=int(lease.ttl)
        )
        try:
            answer = ask_vault(self._vault, "a renewal of its lease", call)
        except RefusedError as error:
            if error.status not in _NOT_RENEWED:
                raise
            return False
        life = answer.get("lease_duration")
        if not isinstance(life, int) or not lease.ttl / 2 <= life <= LONGEST_LIFE:
            return False
        lease.expires_at = now + life
        lease.renewable = answer.get("renewable") is True
        return True

    def _lease_key(self) -> str:
        words = [self._settings.path, self._settings.data]
        return f"{self._request.credential}:{name_of(msgspec.json.encode(words).decode())}"


def _until(minted: Token, token: VaultToken) -> Token:
    """Return *minted* with the smaller end: a lease dies with the token that took it."""
    ends = [end for end in (minted.expires_at, token.expires_at) if end is not None]
    return msgspec.structs.replace(minted, expires_at=min(ends, default=None))


def _revoke(vault: VaultClient, call: Callable[[], object]) -> None:
    """Revoke; what is gone already is as good as revoked."""
    try:
        ask_vault(vault, "a revocation", call)
    except RefusedError as error:
        if error.status not in {400, 403, 404}:
            raise
