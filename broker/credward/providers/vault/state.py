"""What is kept between mints: the server's token, leased secrets, an unwrapped secret id.

It travels as the grant, a JSON text that only this provider reads; keeping it is the daemon's job.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from credward.providers.provider import Grant
from credward.providers.vault.client import VaultClient
from credward.settings.vault import Settings
from credward.tokens import Secret

__all__ = ["LONGEST_LIFE", "Lease", "State", "VaultToken", "load_state", "make_grant", "name_of"]


# Of a token or a lease: servers are set up for ten years, and a thousand are a mistake (seconds).
LONGEST_LIFE = 3_153_600_000


class VaultToken(msgspec.Struct, kw_only=True):
    """A token of the server; *expires_at* None: it never ends, by the server's own word.

    *ttl* is the life that it was given at login, in seconds.
    """

    id: str
    expires_at: float | None
    ttl: float
    renewable: bool = False
    accessor: str | None = None

    def has_ended(self, now: float) -> bool:
        """Whether it has expired at *now*."""
        return self.expires_at is not None and self.expires_at <= now

    def part_left(self, now: float) -> float:
        """Return how much of its life is left, from 0 to 1."""
        if self.expires_at is None:
            return 1.0
        return min(1.0, max(0.0, (self.expires_at - now) / self.ttl)) if self.ttl else 0.0

    def __repr__(self) -> str:
        return "VaultToken(***)"


class Lease(msgspec.Struct, kw_only=True):
    """A secret that an engine made, until *expires_at*; *of* names the token that it dies with.

    *issued_at* and *served_until*: when it was last handed out, and what end was told then.
    """

    id: str
    data: dict[str, Any]
    expires_at: float
    ttl: float
    renewable: bool
    of: str
    issued_at: float = 0.0
    served_until: float = 0.0

    def __repr__(self) -> str:
        return "Lease(***)"


class State(msgspec.Struct, kw_only=True):
    """All of it. *belongs_to* names the login it came from; another login's is not used."""

    belongs_to: str
    token: VaultToken | None = None
    leases: dict[str, Lease] = {}
    secret_id: str | None = None
    wrapped_in: str | None = None

    def __repr__(self) -> str:
        return "State(***)"


def load_state(vault: VaultClient, grant: Secret | None) -> State:
    """Return the state in *grant*, or an empty one if it is not of this login."""
    empty = State(belongs_to=_login_of(vault, vault.settings))
    if grant is None:
        return empty
    try:
        state = msgspec.json.decode(grant.reveal(), type=State)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return empty
    return state if state.belongs_to == empty.belongs_to else empty


def make_grant(state: State, *, account: str | None = None, ends_at: float | None = None) -> Grant:
    """Return *state* as a grant; only a human's login has an account and an end to tell."""
    secret = Secret(msgspec.json.encode(state).decode())
    return Grant(secret=secret, account=account, ends_at=ends_at)


def name_of(text: str) -> str:
    """Return a short one-way name of a secret text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _login_of(vault: VaultClient, settings: Settings) -> str:
    """Return a name for server and login: a state of an older configuration is not used."""
    words = {**settings.login_identity, "address": vault.address, "namespace": vault.namespace}
    return name_of(msgspec.json.encode(words, order="sorted").decode())
