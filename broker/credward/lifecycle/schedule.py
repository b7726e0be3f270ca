"""The arithmetic on times: when a token is refreshed, still handed out, tried again.

Plain numbers in, plain numbers out; instants are Unix seconds, durations seconds, jitter lies in
[0, 1). What happens at those instants is `machine`.
"""

from __future__ import annotations

import math

__all__ = [
    "FIX_INTERVAL",
    "PROBE_INTERVAL",
    "asked_for",
    "backoff",
    "cooldown",
    "demand_ends_in",
    "ends_at",
    "floor",
    "forced_spacing",
    "look_again_in",
    "need",
    "refresh_at",
    "spacing",
    "untried_for",
]

# A broken configuration is tried again this often; a reload that changes it is quicker.
FIX_INTERVAL = 3600.0
# Of those who ask while a server fails, one in so many seconds has it tried again.
PROBE_INTERVAL = 5.0
_FIRST_BACKOFF = 2.0
_LONGEST_BACKOFF = 300.0
_LONGEST_ASKED_FOR = 86_400.0
_COOLDOWNS = (30.0, 60.0, 300.0)
_FIRST_FORCED = 120.0
_LONGEST_FORCED = 600.0
_UNTRIED = 30.0


def need(min_remaining: float, life: float) -> float:
    """Return how much of a wish counts: one caller cannot set the pace beyond half the life."""
    return max(0.0, min(min_remaining, life / 2))


def floor(life: float) -> float:
    """Return the remaining life below which a token is not handed out any more."""
    return min(30.0, life / 10)


def refresh_at(expires_at: float, life: float, largest_need: float, jitter: float) -> float:
    """Return when to refresh: a quarter of the life before the end, or the need; jitter earlier."""
    if math.isinf(expires_at):
        return math.inf
    return expires_at - max(life / 4, largest_need) - jitter * life / 10


def ends_at(issued_at: float, expires_at: float | None, now: float) -> float:
    """Return the end of a token by our clock: no later than its life from now.

    A token issued in our future comes from a clock that is ahead of ours (another machine, or ours
    before it was set back), and so does its end. No end known is infinite.
    """
    if expires_at is None:
        return math.inf
    life = expires_at - issued_at
    return min(expires_at, now + life) if issued_at > now and life > 0 else expires_at


def spacing(life: float) -> float:
    """Return the least time between two successful mints of one key."""
    return max(min(5.0, life / 2), life / 10)


def look_again_in(remaining: float) -> float:
    """Return when to ask a source again that gave back a token that lasts no longer."""
    return max(30.0, remaining / 4)


def backoff(failures: int, retry_after: float | None, jitter: float) -> float:
    """Return how long to wait after the nth failure in a row: doubling, full jitter, capped.

    Never before what the server asked for.
    """
    longest = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0 ** min(failures - 1, 16))
    # Full jitter may draw nearly nothing: half a second keeps a crowd of keys from hammering.
    wait = max(0.5, longest * jitter)
    return max(wait, asked_for(retry_after))


def asked_for(retry_after: float | None) -> float:
    """Return the pause that a server asked for (Retry-After, RFC 9110 section 10.2.3).

    An absurd one is cut to a day.
    """
    return min(retry_after or 0.0, _LONGEST_ASKED_FOR)


def cooldown(failures: int) -> float:
    """Return how long what others can stand in for is left alone after its nth failure in a row."""
    return _COOLDOWNS[min(max(failures, 1), len(_COOLDOWNS)) - 1]


def demand_ends_in(idle_after: float | None, life: float) -> float:
    """Return how long after the last ask a key is still kept fresh."""
    if idle_after is not None:
        return idle_after
    return max(2 * life, 3600.0) if not math.isinf(life) else math.inf


def forced_spacing(forced_before: int, life: float) -> float:
    """Return the least time from one mint for a refused token to the next, per credential.

    Two minutes, or half the *life* of its tokens where that is shorter; doubling to ten minutes.
    """
    first = min(_FIRST_FORCED, life / 2) if life > 0 else _FIRST_FORCED
    return min(_LONGEST_FORCED, first * 2.0 ** min(max(forced_before - 1, 0), 16))


def untried_for(life: float) -> float:
    """Return the age up to which a token that is refused has never been any good."""
    return min(_UNTRIED, life / 2) if life > 0 else _UNTRIED
