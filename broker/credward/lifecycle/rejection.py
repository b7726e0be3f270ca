"""Infer from an early re-ask that upstream refused a token: Claude Code never says so.

A harness runs its helper again before its cache time is over only when the API answered 401 or
403. The inference costs one mint at most, is throttled, and never turns into an error. What is
reported for sure is judged by `refusals`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

import msgspec

from credward.lifecycle import schedule

__all__ = ["Inference"]

# Askers and refused tokens remembered at most; the oldest go first.
_MOST = 4096
# Asked this much before its cache time is over, an asker may simply have been early (seconds).
_EARLY = 5.0
# After this long without one, rejections of a credential are counted from the beginning.
_CALM = 3600.0


class _Given(msgspec.Struct):
    token_id: str
    at: float
    remaining: float


class _Forced(msgspec.Struct):
    count: int
    at: float


class Inference:
    """Remembers what each asker was given last and which tokens were already replaced."""

    def __init__(self) -> None:
        self._given: OrderedDict[Hashable, _Given] = OrderedDict()
        self._replaced: OrderedDict[str, None] = OrderedDict()
        self._forced: dict[str, _Forced] = {}

    def gave(self, asker: Hashable, token_id: str, remaining: float, now: float) -> None:
        """Note an answer."""
        self._given[asker] = _Given(token_id, now, remaining)
        self._given.move_to_end(asker)
        if len(self._given) > _MOST:
            self._given.popitem(last=False)

    def failed(self, asker: Hashable) -> None:
        """Note that it was answered with a failure: asking again soon says nothing then."""
        self._given.pop(asker, None)

    def is_rejection(self, asker: Hashable, token_id: str, cache_ttl: float, now: float) -> bool:
        """Return whether this asker, asking again now, says that *token_id* was refused.

        A client that can read the token (a JWT) asks anew by itself near its end: not in the first
        half of the life that was left.
        """
        given = self._given.get(asker)
        if given is None or given.token_id != token_id:
            return False
        return 0 <= now - given.at < min(cache_ttl - _EARLY, given.remaining / 2)

    def may_force(self, credential: str, token_id: str, life: float, now: float) -> bool:
        """Return whether a mint may be forced for this token, and count it if so.

        *life*: how long tokens of the credential last.
        """
        if token_id in self._replaced:
            return False
        forced = self._forced.get(credential)
        if forced is not None and now - forced.at > _CALM:
            forced = None
        if forced is not None and now - forced.at < schedule.forced_spacing(forced.count, life):
            return False
        self._forced[credential] = _Forced(forced.count + 1 if forced else 1, now)
        self._replaced[token_id] = None
        if len(self._replaced) > _MOST:
            self._replaced.popitem(last=False)
        return True

    def shift(self, seconds: float) -> None:
        """Move everything remembered by *seconds* in time: the clock was set by as much."""
        for given in self._given.values():
            given.at += seconds
        for forced in self._forced.values():
            forced.at += seconds

    def forget(self, credential: str) -> None:
        """Forget the throttle of a credential that is gone."""
        self._forced.pop(credential, None)
