"""The words of the lifecycle: events in, commands out, and the values in both.

Nouns only. `machine.py` has the transitions; `schedule.py` has the arithmetic on times.
All instants are Unix seconds, all durations seconds. Nothing here holds a secret: a token is its
*token_id*.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable

import msgspec

from credward.errors import Failure

__all__ = [
    "Accepted",
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
    """The state of a token key; upper case in the table, lower case on the wire."""

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
        """Whether it lasts until somebody acts, or until a time."""
        return self in {State.PARKED, State.REJECTED}


class Reason(enum.StrEnum):
    """Why a server refused a token, as reported by the user of the token."""

    UNAUTHORIZED = "unauthorized"
    REVOKED = "revoked"
    QUOTA = "quota"
    BILLING = "billing"

    @property
    def another_helps(self) -> bool:
        """Whether another token from the same source may be accepted."""
        return self in {Reason.UNAUTHORIZED, Reason.REVOKED}


class TokenKey(msgspec.Struct, frozen=True):
    """Two requests with equal keys share a token; *scopes* are sorted, *narrowing* is a digest."""

    credential: str
    epoch: str
    audience: str | None = None
    scopes: tuple[str, ...] = ()
    narrowing: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How to keep one configured credential: its grant, and how long demand lasts.

    *rotating*: mints on this grant run one at a time. *login*: a login here ends its parking; if
    False, another tool keeps the login, and only a try shows that it is there. *upstream* names the
    server to ask; a failing one is probed once for all that share the name. *remedy* is what to do
    if the source gives a refused token again. *idle_after* None: two lifetimes, at least an hour.
    *always*: minted as soon as it is configured, and refreshed even if nobody asks. *least*: the
    remaining life that counts as wanted all the time, in seconds, without a request.
    """

    credential: str
    epoch: str
    grant: str
    rotating: bool = False
    login: bool = True
    upstream: str = ""
    remedy: str = ""
    always: bool = False
    least: float = 0.0
    idle_after: float | None = None


# --- events ----------------------------------------------------------------------


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration was read: these credentials exist from now on, and no others."""

    plans: tuple[Plan, ...]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A caller that policy allowed wants a token now.

    *waiter* is the unique name of the request. *asker* identifies who means a rejection by an early
    second request, None for callers that may ask as often as they like (see `issuing.asking`).
    *cache_ttl* is how long the asker keeps the answer, None if unknown. *settling*: for so long
    after its first answer with a token its asks mean nothing, and no ask of one that asks several
    times at once does; 0 for an asker that runs one program for all that it sends.
    """

    key: TokenKey
    waiter: int
    min_remaining: float = 0.0
    asker: Hashable | None = None
    cache_ttl: float | None = None
    settling: float = 0.0


class WaiterLeft(msgspec.Struct, frozen=True, kw_only=True):
    """A waiter went away (disconnect or deadline); its flight goes on."""

    waiter: int


class Minted(msgspec.Struct, frozen=True, kw_only=True):
    """A flight succeeded; *expires_at* None: no known end; *jitter* is in [0, 1)."""

    key: TokenKey
    flight: int
    token_id: str
    issued_at: float
    expires_at: float | None
    jitter: float


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier run of the daemon minted this token at *minted_at*; *jitter* is in [0, 1)."""

    key: TokenKey
    token_id: str
    issued_at: float
    expires_at: float
    minted_at: float
    jitter: float


class MintFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A flight failed. *jitter* is in [0, 1)."""

    key: TokenKey
    flight: int
    failure: Failure
    jitter: float


class Forced(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants a new token (`credward get --fresh`); *waiter* gets the result of the flight.

    It also clears reports on the credential's tokens, and tries a login that another tool keeps.
    """

    key: TokenKey
    waiter: int


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A caller reports that the token was refused where it is used: a fact, not a guess.

    *until*: when it may be used again, in Unix seconds, None if not reported.
    """

    credential: str
    token_id: str
    reason: Reason = Reason.UNAUTHORIZED
    until: float | None = None


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A service took this token just now: a doubt about it ends."""

    credential: str
    token_id: str


class GrantCleared(msgspec.Struct, frozen=True, kw_only=True):
    """The grant got what it waited for (a login, a secret): parking, pauses and verdicts end.

    *drop*: it belongs to another account, so older tokens are no longer handed out; mints go on.
    *same_secret*: it may be used now, but it is the same as before, so verdicts stay.
    """

    grant: str
    drop: bool = False
    same_secret: bool = False


class GrantParked(msgspec.Struct, frozen=True, kw_only=True):
    """The grant waits for a human: since an earlier run of the daemon, or because it was dropped.

    *drop*: its tokens are no longer handed out (a logout; plain parking still serves them).
    """

    grant: str
    failure: Failure
    drop: bool = False


class TokensDropped(msgspec.Struct, frozen=True, kw_only=True):
    """No token may be held (a lock): waiters get *failure*; earlier failures stay known."""

    failure: Failure


class StoreOpened(msgspec.Struct, frozen=True, kw_only=True):
    """The store can be read: failures because of the locked store end."""


class Woke(msgspec.Struct, frozen=True, kw_only=True):
    """Time has passed (or the clock was set): do what is due. Extra events do nothing."""


Event = (
    Configured
    | Asked
    | WaiterLeft
    | Minted
    | Restored
    | MintFailed
    | Forced
    | Rejected
    | Accepted
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
    """Give this waiter this token; *short*: it lasts less long than asked."""

    waiter: int
    key: TokenKey
    token_id: str
    short: bool = False


class Fail(msgspec.Struct, frozen=True):
    """Give this waiter this failure."""

    waiter: int
    failure: Failure


class Drop(msgspec.Struct, frozen=True):
    """Wipe this token from memory: the key no longer refers to it."""

    key: TokenKey
    token_id: str


class Park(msgspec.Struct, frozen=True):
    """The grant needs a human: every request on it fails with this until `GrantCleared`."""

    grant: str
    failure: Failure


Command = StartMint | Serve | Fail | Drop | Park


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a reported token, *since* then; instants are Unix seconds.

    *final*: another mint does not help, so nothing is handed out *until* then (None: until the
    secret is replaced). If not final, a running mint may bring another token.
    """

    token_id: str
    reason: Reason
    since: float
    until: float | None = None
    final: bool = False

    def holds(self, now: float) -> bool:
        """Return whether it is still valid."""
        return self.until is None or now < self.until

    def shifted(self, seconds: float) -> Verdict:
        """Return the same verdict, moved by *seconds*."""
        until = None if self.until is None else self.until + seconds
        return msgspec.structs.replace(self, since=self.since + seconds, until=until)


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What `status` shows of one credential (its default key, else the most recently asked one).

    *life*: how long its tokens last, in seconds, as seen in mints. *verdict*: set if the state is
    `rejected`. *doubt*: why its token is probably refused where it is used; it is still handed out.
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
    doubt: Failure | None = None
    life: float | None = None
    mints: int = 0
    failures: int = 0
    waits: int = 0
    keys: int = 0

    @property
    def needs_somebody(self) -> bool:
        """Whether it does not get better by itself."""
        return self.state.needs_somebody or self.doubt is not None
