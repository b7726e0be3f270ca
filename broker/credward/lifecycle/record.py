"""What the machine remembers about a token key, a grant and a credential.

Values and small judgements on them; `machine` changes them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable

import msgspec

from credward.errors import Failure, Recovery
from credward.lifecycle import schedule
from credward.lifecycle.vocabulary import Plan, TokenKey, Verdict

__all__ = ["Current", "Doubt", "GrantQueue", "KeyRecord", "Needs", "Waiting"]

_LIVES = 8
# The most different wishes to remember per key.
_MOST_WISHES = 64


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """The token that is handed out.

    *expires_at* is what the source said (None: no known end). *ends_at* is what we use: infinite
    without a known end, earlier than *expires_at* if a clock was wrong. *since*: when it was
    taken; that the source gives it again changes nothing. *instead_of*: the reported token that it
    replaces.
    """

    token_id: str
    issued_at: float
    expires_at: float | None
    ends_at: float
    since: float
    instead_of: str | None = None


class Doubt(msgspec.Struct, frozen=True):
    """An agent wants another token than this one, but the source has no other."""

    token_id: str
    since: float


class Needs(msgspec.Struct):
    """The largest recent wish: a sliding maximum, so a wish that nobody repeats is forgotten."""

    entries: deque[tuple[float, float]] = msgspec.field(default_factory=deque)

    def add(self, now: float, wish: float) -> bool:
        """Note a wish; return whether the largest one changed."""
        before = self.entries[0][1] if self.entries else 0.0
        while self.entries and self.entries[-1][1] <= wish:
            self.entries.pop()
        if len(self.entries) >= _MOST_WISHES:
            # Smaller and smaller wishes: the smallest kept one also covers those below it.
            wish = self.entries.pop()[1]
        self.entries.append((now, wish))
        return self.entries[0][1] != before

    def largest(self, since: float) -> float:
        """Return the largest wish at or after *since*."""
        while self.entries and self.entries[0][0] < since:
            self.entries.popleft()
        return self.entries[0][1] if self.entries else 0.0

    def shift(self, seconds: float) -> None:
        """Move the time of every wish by *seconds*."""
        self.entries = deque((at + seconds, wish) for at, wish in self.entries)


class Waiting(msgspec.Struct, frozen=True):
    """A request that a flight will answer: the wanted life, and the asker for the inference."""

    wish: float
    asker: Hashable | None = None


class KeyRecord(msgspec.Struct, kw_only=True):
    """One token key. *waiters* are requests that a flight will answer.

    *life*: the longest among the *lives* of its last mints; zero before the first. *flight_at*:
    when the last flight began. *outdated*: what it waited for came during the flight. *not_before*:
    the end of the pause that the server asked for. *sluggish*: the last failure took so long that
    callers do not wait for the next. *suspect*: the token that the running flight is to replace,
    *doubt* one that came back instead of another. *verdict*: the report on its token,
    *refusals* the number of reports in a row, *refused_at* when the last one came.
    """

    key: TokenKey
    plan: Plan
    current: Current | None = None
    flight: int | None = None
    flight_at: float = -math.inf
    outdated: bool = False
    queued: bool = False
    forced: bool = False
    waiters: dict[int, Waiting] = msgspec.field(default_factory=dict)
    lives: deque[float] = msgspec.field(default_factory=lambda: deque(maxlen=_LIVES))
    life: float = 0.0
    needs: Needs = msgspec.field(default_factory=Needs)
    jitter: float = 0.0
    last_asked_at: float | None = None
    minted_at: float | None = None
    look_again_at: float = -math.inf
    retry_at: float = -math.inf
    not_before: float = -math.inf
    sluggish: bool = False
    failure: Failure | None = None
    failures_in_row: int = 0
    suspect: str | None = None
    doubt: Doubt | None = None
    verdict: Verdict | None = None
    refusals: int = 0
    refused_at: float = -math.inf
    wake_at: float | None = None
    mints: int = 0
    failures: int = 0
    waits: int = 0

    def lived(self, seconds: float) -> None:
        """Note how long the token of another mint lasts."""
        self.lives.append(seconds)
        self.life = max(self.lives)

    @property
    def busy(self) -> bool:
        """Whether a flight is running or waits for the lease of its grant."""
        return self.flight is not None or self.queued

    def holds(self, token_id: str) -> bool:
        """Return whether this is the id of the current token."""
        return self.current is not None and self.current.token_id == token_id

    def doubted_since(self) -> float | None:
        """Return since when the current token is probably refused, None if nothing says so."""
        doubt = self.doubt
        return doubt.since if doubt is not None and self.holds(doubt.token_id) else None

    def doubts(self, token_id: str, now: float) -> None:
        """Note that this token is probably refused; a doubt about it keeps its beginning."""
        if self.doubt is None or self.doubt.token_id != token_id:
            self.doubt = Doubt(token_id, now)

    def accepted(self, token_id: str) -> None:
        """Forget what was guessed of this token, also where it is not held: it may come again."""
        if self.suspect == token_id:
            self.suspect = None
        if self.doubt is not None and self.doubt.token_id == token_id:
            self.doubt = None

    def remaining(self, now: float) -> float:
        """Return the remaining life of the current token."""
        return self.current.ends_at - now if self.current else -math.inf

    def usable(self, now: float) -> bool:
        """Return whether the current token may still be handed out."""
        remaining = self.remaining(now)
        return remaining > 0 and remaining >= schedule.floor(self.life)

    def rejected(self, now: float) -> bool:
        """Return whether the secret itself is refused, so no mint helps."""
        return self.verdict is not None and self.verdict.final and self.verdict.holds(now)

    def wanted(self, now: float) -> bool:
        """Return whether demand keeps this key fresh."""
        if self.plan.always:
            return True
        if self.last_asked_at is None:
            return False
        return now - self.last_asked_at <= schedule.demand_ends_in(self.plan.idle_after, self.life)

    def wanted_anew(self, now: float) -> bool:
        """Return whether to mint for a key without a token before anybody asks again.

        True for keys that are always kept, and keys in use until upstream failed: they recover by
        themselves, with back-off.
        """
        failed = self.failure is not None and self.failure.recovery is Recovery.RETRY
        return self.plan.always or (failed and self.minted_at is not None and self.wanted(now))

    def refresh_at(self, now: float) -> float:
        """Return when to mint again: from the arithmetic, delayed by spacing and back-off."""
        if self.current is None:
            return max(self.retry_at, self.look_again_at)
        since = now - schedule.demand_ends_in(self.plan.idle_after, self.life)
        wish = max(self.needs.largest(since), self.plan.least)
        need = schedule.need(wish, self.life)
        due = schedule.refresh_at(self.current.ends_at, self.life, need, self.jitter)
        return max(due, self.may_mint_at())

    def mints_by_itself_at(self, now: float) -> float:
        """Return when to mint without a request; infinite if it needs one."""
        if not self.wanted(now):
            return math.inf
        if self.current is not None:
            return self.refresh_at(now)
        return max(self.refresh_at(now), now) if self.wanted_anew(now) else math.inf

    def may_mint_at(self) -> float:
        """Return the earliest instant for a mint that is not forced."""
        spaced = (
            -math.inf if self.minted_at is None else self.minted_at + schedule.spacing(self.life)
        )
        return max(self.retry_at, self.look_again_at, spaced)

    def shift(self, seconds: float) -> None:
        """Move all remembered times by *seconds*: the clock was set by as much."""
        if self.current is not None:
            self.current = msgspec.structs.replace(
                self.current,
                ends_at=self.current.ends_at + seconds,
                since=self.current.since + seconds,
            )
        if self.last_asked_at is not None:
            self.last_asked_at += seconds
        if self.minted_at is not None:
            self.minted_at += seconds
        if self.doubt is not None:
            self.doubt = Doubt(self.doubt.token_id, self.doubt.since + seconds)
        if self.wake_at is not None:
            self.wake_at += seconds
        self.flight_at += seconds
        self.look_again_at += seconds
        self.retry_at += seconds
        self.not_before += seconds
        self.refused_at += seconds
        self.needs.shift(seconds)
        if self.verdict is not None:
            self.verdict = self.verdict.shifted(seconds)


class GrantQueue(msgspec.Struct, kw_only=True):
    """One grant: which flight holds its lease, which wait for it, and whether it is parked."""

    name: str
    holder: TokenKey | None = None
    queue: deque[TokenKey] = msgspec.field(default_factory=deque)
    parked: Failure | None = None
