"""How often one caller may do what costs something: some at once, then one in each interval.

Pure: a token bucket for each key, kept as the instant at which it is full again (the generic cell
rate algorithm, ITU-T I.371). What a key is, and what is said to who must wait, is the user's.
"""

from __future__ import annotations

from collections.abc import Hashable

__all__ = ["Pace"]


class Pace:
    """Buckets of *burst* tokens, refilled by one in *interval* seconds; full ones are forgotten."""

    def __init__(self, *, burst: int, interval: float) -> None:
        self._span = burst * interval
        self._interval = interval
        self._full_at: dict[Hashable, float] = {}

    def take(self, key: Hashable, now: float) -> float:
        """Take a token and return 0, else return how long to wait for one (seconds).

        *now* must not go back.
        """
        self._full_at = {each: at for each, at in self._full_at.items() if at > now}
        full_at = self._full_at.get(key, now) + self._interval
        wait = full_at - self._span - now
        if wait > 0:
            return wait
        self._full_at[key] = full_at
        return 0.0
