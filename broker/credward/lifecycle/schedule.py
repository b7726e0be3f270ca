"""The arithmetic on times: when to refresh a token, still hand it out, or retry.

Numbers in, numbers out; instants are Unix seconds, durations seconds, jitter is in [0, 1).
`machine` acts at those instants.
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

# How often to retry a broken configuration; a reload that changes it is quicker.
FIX_INTERVAL = 3600.0
# While a server fails, requests cause one try in so many seconds.
PROBE_INTERVAL = 5.0
_FIRST_BACKOFF = 2.0
_LONGEST_BACKOFF = 300.0
_LONGEST_ASKED_FOR = 86_400.0
_COOLDOWNS = (30.0, 60.0, 300.0)
_FIRST_FORCED = 120.0
_LONGEST_FORCED = 600.0
_UNTRIED = 30.0


def need(min_remaining: float, life: float) -> float:
    """Return the part of a wish that counts: one caller cannot want more than half the life."""
    return max(0.0, min(min_remaining, life / 2))


def floor(life: float) -> float:
    """Return the remaining life below which a token is no longer handed out."""
    return min(30.0, life / 10)


def refresh_at(expires_at: float, life: float, largest_need: float, jitter: float) -> float:
    """Return when to refresh: a quarter of the life before the end, or the need; jitter earlier."""
    if math.isinf(expires_at):
        return math.inf
    return expires_at - max(life / 4, largest_need) - jitter * life / 10


def ends_at(issued_at: float, expires_at: float | None, now: float) -> float:
    """Return the end of a token by our clock: at most its life from now.

    A token issued in our future comes from a clock ahead of ours (another machine, or ours before
    it was set back), and so does its end. An unknown end is infinite.
    """
    if expires_at is None:
        return math.inf
    life = expires_at - issued_at
    return min(expires_at, now + life) if issued_at > now and life > 0 else expires_at


def spacing(life: float) -> float:
    """Return the minimum time between two successful mints of one key."""
    return max(min(5.0, life / 2), life / 10)


def look_again_in(remaining: float) -> float:
    """Return when to ask a source again that returned a token that lasts no longer."""
    return max(30.0, remaining / 4)


def backoff(failures: int, retry_after: float | None, jitter: float) -> float:
    """Return how long to wait after the nth failure in a row: doubling, full jitter, capped.

    Never shorter than the server asked for.
    """
    longest = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0 ** min(failures - 1, 16))
    # Full jitter may be nearly zero: half a second keeps many keys from hammering the server.
    wait = max(0.5, longest * jitter)
    return max(wait, asked_for(retry_after))


def asked_for(retry_after: float | None) -> float:
    """Return the pause that a server asked for (Retry-After, RFC 9110 section 10.2.3).

    At most a day.
    """
    return min(retry_after or 0.0, _LONGEST_ASKED_FOR)


def cooldown(failures: int) -> float:
    """Return how long to skip an entry with fallbacks after its nth failure in a row."""
    return _COOLDOWNS[min(max(failures, 1), len(_COOLDOWNS)) - 1]


def demand_ends_in(idle_after: float | None, life: float) -> float:
    """Return how long after the last ask a key is still kept fresh."""
    if idle_after is not None:
        return idle_after
    return max(2 * life, 3600.0) if not math.isinf(life) else math.inf


def forced_spacing(forced_before: int, life: float) -> float:
    """Return the minimum time between two mints for refused tokens, per credential.

    Two minutes, or half the *life* of its tokens if that is shorter; doubling up to ten minutes.
    """
    first = min(_FIRST_FORCED, life / 2) if life > 0 else _FIRST_FORCED
    return min(_LONGEST_FORCED, first * 2.0 ** min(max(forced_before - 1, 0), 16))


def untried_for(life: float) -> float:
    """Return the age up to which a refused token counts as never accepted."""
    return min(_UNTRIED, life / 2) if life > 0 else _UNTRIED
