"""The words of the lifecycle: events that come in, commands that go out, values that both carry.

Nouns only. What they do to each other is `machine.py`; the arithmetic on times is `schedule.py`.
All instants are Unix seconds, all durations seconds. Nothing here holds a secret: a token is its
*token_id*.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable

import msgspec

from credward.errors import Failure

__all__ = [
    "Asked",
    "Command",
    "Configured",
    "Drop",
    "Event",
    "Fail",
    "Forced",
    "GrantCleared",
    "GrantParked",
    "MintFailed",
    "Minted",
    "Park",
    "Plan",
    "Reason",
    "Rejected",
    "Restored",
    "Serve",
    "StartMint",
    "State",
    "StoreOpened",
    "TokenKey",
    "TokensDropped",
    "Verdict",
    "View",
    "WaiterLeft",
    "Woke",
]


class State(enum.StrEnum):
    """Where a token key stands; shouted in the table, lower case on the wire."""

    EMPTY = "empty"
    MINTING = "minting"
    FRESH = "fresh"
    REFRESHING = "refreshing"
    SUSPECT = "suspect"
    STALE = "stale"
    EXPIRED = "expired"
    PARKED = "parked"
    REJECTED = "rejected"

    @property
    def needs_somebody(self) -> bool:
        """Whether it lasts until somebody acts, or its time is over."""
        return self in {State.PARKED, State.REJECTED}


class Reason(enum.StrEnum):
    """What a server said of a token that it refused, as whoever used the token reports it."""

    UNAUTHORIZED = "unauthorized"
    REVOKED = "revoked"
    QUOTA = "quota"
    BILLING = "billing"

    @property
    def another_helps(self) -> bool:
        """Whether another token of the same source may be accepted."""
        return self in {Reason.UNAUTHORIZED, Reason.REVOKED}


class TokenKey(msgspec.Struct, frozen=True):
    """What makes two asks the same token; *scopes* are sorted, *narrowing* is a digest."""

    credential: str
    epoch: str
    audience: str | None = None
    scopes: tuple[str, ...] = ()
    narrowing: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How one configured credential is to be kept: its grant, and how long demand lasts.

    *rotating*: mints on this grant are serialised. *login*: a login given here ends its parking; if
    not, another tool keeps the login, and only a try shows that it was given. *upstream* names the
    server that is asked; one that fails is probed for all that share the name. *remedy* is what to
    do where the secret itself is refused. *idle_after* None: two lifetimes, at least an hour.
    *always*: refreshed whether or not anybody asks, minted as soon as it is configured.
    """

    credential: str
    epoch: str
    grant: str
    rotating: bool = False
    login: bool = True
    upstream: str = ""
    remedy: str = ""
    always: bool = False
    idle_after: float | None = None


# --- events ----------------------------------------------------------------------


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration was read: these credentials exist from now on, and no others."""

    plans: tuple[Plan, ...]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A caller that policy allowed wants a token now.

    *waiter* names the ask (unique). *asker* is the identity by which an early re-ask is taken to
    mean a rejection, None for whoever may ask as often as it likes (see `issuing.asking`).
    *cache_ttl* is how long the asker keeps what it gets, None where that is not known.
    """

    key: TokenKey
    waiter: int
    min_remaining: float = 0.0
    asker: Hashable | None = None
    cache_ttl: float | None = None


class WaiterLeft(msgspec.Struct, frozen=True, kw_only=True):
    """A waiter went away (disconnect or deadline); its flight goes on."""

    waiter: int


class Minted(msgspec.Struct, frozen=True, kw_only=True):
    """A flight ended well; *expires_at* None: no end is known; *jitter* lies in [0, 1)."""

    key: TokenKey
    flight: int
    token_id: str
    issued_at: float
    expires_at: float | None
    jitter: float


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier life of the daemon minted this token at *minted_at*; *jitter* lies in [0, 1)."""

    key: TokenKey
    token_id: str
    issued_at: float
    expires_at: float
    minted_at: float
    jitter: float


class MintFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A flight ended badly. *jitter* is in [0, 1)."""

    key: TokenKey
    flight: int
    failure: Failure
    jitter: float


class Forced(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants a new token (`credward refresh`); *waiter* gets what the flight brings.

    It also ends what was reported of the credential's tokens, and tries a login that another tool
    keeps.
    """

    key: TokenKey
    waiter: int


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A caller says that the token was refused where it is used: a fact, where a re-ask is a guess.

    *until*: when it may be used again, in Unix seconds, None where that was not said.
    """

    credential: str
    token_id: str
    reason: Reason = Reason.UNAUTHORIZED
    until: float | None = None


class GrantCleared(msgspec.Struct, frozen=True, kw_only=True):
    """What the grant waited for has come (a login, a secret): parking, pauses and verdicts end.

    *drop*: it is another account's, so tokens of before are handed out no more; mints go on.
    *same_secret*: it may be used now, but it is the one of before, so verdicts stay.
    """

    grant: str
    drop: bool = False
    same_secret: bool = False


class GrantParked(msgspec.Struct, frozen=True, kw_only=True):
    """The grant waits for a human: since an earlier life of the daemon, or because it was given up.

    *drop*: its tokens are not handed out any more either (a logout, where parking serves on).
    """

    grant: str
    failure: Failure
    drop: bool = False


class TokensDropped(msgspec.Struct, frozen=True, kw_only=True):
    """No token may be held (a lock): who waits hears *failure*; what failed before stays known."""

    failure: Failure


class StoreOpened(msgspec.Struct, frozen=True, kw_only=True):
    """The store can be read: what failed for want of it need not wait any longer."""


class Woke(msgspec.Struct, frozen=True, kw_only=True):
    """Time has passed (or the clock was set): do what is due. Extra ones do nothing."""


Event = (
    Configured
    | Asked
    | WaiterLeft
    | Minted
    | Restored
    | MintFailed
    | Forced
    | Rejected
    | GrantCleared
    | GrantParked
    | TokensDropped
    | StoreOpened
    | Woke
)


# --- commands ----------------------------------------------------------------------


class StartMint(msgspec.Struct, frozen=True):
    """Begin one mint; answer with `Minted` or `MintFailed` of the same *flight*."""

    key: TokenKey
    flight: int


class Serve(msgspec.Struct, frozen=True):
    """Give this waiter this token; *short*: it lasts less long than was asked."""

    waiter: int
    key: TokenKey
    token_id: str
    short: bool = False


class Fail(msgspec.Struct, frozen=True):
    """Give this waiter this failure."""

    waiter: int
    failure: Failure


class Drop(msgspec.Struct, frozen=True):
    """Wipe this token from memory: the key does not refer to it any more."""

    key: TokenKey
    token_id: str


class Park(msgspec.Struct, frozen=True):
    """The grant needs a human: every ask on it fails with this until `GrantCleared`."""

    grant: str
    failure: Failure


Command = StartMint | Serve | Fail | Drop | Park


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was reported of a token, *since* then; instants are Unix seconds.

    *final*: another mint does not help, so nothing is handed out *until* then (None: until the
    secret is replaced). Before that a mint is under way that may bring another token.
    """

    token_id: str
    reason: Reason
    since: float
    until: float | None = None
    final: bool = False

    def holds(self, now: float) -> bool:
        """Return whether its time is not over yet."""
        return self.until is None or now < self.until

    def shifted(self, seconds: float) -> Verdict:
        """Return the same, moved by *seconds* in time."""
        until = None if self.until is None else self.until + seconds
        return msgspec.structs.replace(self, since=self.since + seconds, until=until)


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What `status` shows of one credential (its default key, else the most recently asked one).

    *life*: how long its tokens last, in seconds, as far as mints have shown. *verdict*: set where
    the state is `rejected`.
    """

    credential: str
    state: State
    grant: str
    token_id: str | None = None
    issued_at: float | None = None
    expires_at: float | None = None
    refresh_at: float | None = None
    retry_at: float | None = None
    last_asked_at: float | None = None
    failure: Failure | None = None
    verdict: Verdict | None = None
    life: float | None = None
    mints: int = 0
    failures: int = 0
    waits: int = 0
    keys: int = 0
