"""What a sink needs done and how it is, from facts: pure, `now` is passed in (Unix seconds).

`sinks` gathers the facts and carries the step out.

Rules:

1. A sink holds the token that is handed out now, or an earlier one until its end. All else is
   removed: a token past its end or withdrawn (a logout, a lock, a report: its end is then in the
   past), one of other settings, and what policy forbids.
2. It is written when there is another token than the one in it; the lifecycle decides when that is.
3. What failed is tried again after a pause. A failed write does not delay a removal.
"""

from __future__ import annotations

import enum
import math

import msgspec

__all__ = [
    "Facts",
    "SinkState",
    "Step",
    "Written",
    "either",
    "next_step",
    "pause",
    "state_of",
    "wake_at",
]

_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0


class Step(enum.Enum):
    """What to do now."""

    REST = "rest"
    WRITE = "write"
    REMOVE = "remove"


class SinkState(enum.StrEnum):
    """How a sink is, for people and programs."""

    # It holds the token that is handed out now.
    FRESH = "fresh"
    # It holds a token that may be used, but a newer one cannot be had or written.
    STALE = "stale"
    # Nothing is in it: no token yet, or none that may be used.
    EMPTY = "empty"
    DENIED = "denied"
    LOCKED = "locked"


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the file: a token of *credential*, in the way that *look* names.

    *ends_at* is infinite without a known end. *earlier*: an earlier run of the daemon wrote it, so
    nobody knows more of it than its end.
    """

    credential: str
    token_id: str
    ends_at: float
    at: float
    look: str
    earlier: bool = False


def either(old: Written | None, new: Written) -> Written | None:
    """Return what is true of both, while one is replaced by the other; None if nothing is.

    The earlier end counts, and a withdrawn one is past.
    """
    if old is None or (old.credential, old.look) != (new.credential, new.look):
        return None
    ends_at = max(0.0, min(old.ends_at, new.ends_at))
    return msgspec.structs.replace(new, token_id="", ends_at=ends_at)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one sink.

    *current*: the id of the token that is handed out now, None if there is none. *look*: how it
    would be written. *usable*: what is written is of this credential, and written as it would be.
    *stands_in*: another credential may serve while there is no token. *failing*: no newer token can
    be had, or it cannot be written. *failed*: the steps that failed, which wait until *not_before*.
    """

    locked: bool = False
    denied: bool = False
    current: str | None = None
    look: str = ""
    written: Written | None = None
    usable: bool = False
    stands_in: bool = False
    failing: bool = False
    failed: frozenset[Step] = frozenset()
    not_before: float = -math.inf


def next_step(facts: Facts, now: float) -> Step:
    """Return what to do."""
    paused = facts.failed if now < facts.not_before else frozenset()
    may_hold = not (facts.locked or facts.denied)
    if facts.current is None:
        another = facts.written is None and facts.stands_in
    else:
        another = not _holds_current(facts)
    if may_hold and another and Step.WRITE not in paused:
        return Step.WRITE
    unwanted = facts.written is not None and not (may_hold and _valid(facts, now))
    if unwanted and Step.REMOVE not in paused:
        return Step.REMOVE
    return Step.REST


def wake_at(facts: Facts, now: float) -> float:
    """Return when to look again though nothing happened: after a pause, or at an end.

    Infinite: not at all. The end of a token of this run is told by the lifecycle.
    """
    at = facts.not_before if facts.not_before > now else math.inf
    if facts.written is not None and facts.written.earlier and _valid(facts, now):
        at = min(at, facts.written.ends_at)
    return at


def state_of(facts: Facts, now: float) -> SinkState:
    """Return how the sink is."""
    if facts.denied:
        return SinkState.DENIED
    if facts.locked:
        return SinkState.LOCKED
    if not _valid(facts, now):
        return SinkState.EMPTY
    if _holds_current(facts) and not facts.failing:
        return SinkState.FRESH
    return SinkState.STALE


def pause(failures: int) -> float:
    """Return how long to wait after the nth failure in a row on the disk (seconds)."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - 1, 16))


def _holds_current(facts: Facts) -> bool:
    written = facts.written
    if written is None or written.look != facts.look:
        return False
    return facts.current in {None, written.token_id}


def _valid(facts: Facts, now: float) -> bool:
    """Return whether what is written may still be used."""
    return facts.written is not None and facts.usable and now < facts.written.ends_at
