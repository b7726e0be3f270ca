"""Infer from an early second request that upstream refused a token: Claude Code never says so.

A harness runs its helper before its cache time ends only if the API answered 401 or 403. The
inference costs at most one mint, is throttled, and never becomes an error; if that mint brings the
same token, people are told. `refusals` judges explicit reports.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

import msgspec

from credward.lifecycle import schedule

__all__ = ["Inference"]

# The most askers and refused tokens to remember; the oldest go first.
_MOST = 4096
# This close to the end of its cache time, an asker may simply be early (seconds).
_EARLY = 5.0
# Nobody who was refused asks again so soon: Claude Code waits for 0.5 s or more (seconds).
_AT_ONCE = 0.3
# After this long without a rejection of a credential the count restarts.
_CALM = 3600.0


class _Given(msgspec.Struct):
    """The last answer; *since*: the first one with this token.

    *several*: clients in the asker's process do not share answers, so that each asks for itself.
    """

    token_id: str
    at: float
    remaining: float
    since: float
    several: bool


class _Forced(msgspec.Struct):
    count: int
    at: float


class Inference:
    """Remembers what each asker got last and which tokens were already replaced."""

    def __init__(self) -> None:
        self._given: OrderedDict[Hashable, _Given] = OrderedDict()
        # Whether the source gave the same one again.
        self._replaced: OrderedDict[str, bool] = OrderedDict()
        self._forced: dict[str, _Forced] = {}

    def gave(self, asker: Hashable, token_id: str, remaining: float, now: float) -> None:
        """Note an answer."""
        since, several = now, False
        if (last := self._given.get(asker)) is not None:
            several = last.several or 0 <= now - last.at < _AT_ONCE
            since = last.since if last.token_id == token_id else now
        self._given[asker] = _Given(token_id, now, remaining, since, several)
        self._given.move_to_end(asker)
        if len(self._given) > _MOST:
            self._given.popitem(last=False)

    def failed(self, asker: Hashable) -> None:
        """Note that the answer was a failure: then asking again soon means nothing."""
        self._given.pop(asker, None)

    def is_rejection(
        self, asker: Hashable, token_id: str, cache_ttl: float, now: float, settling: float = 0.0
    ) -> bool:
        """Return whether this asker, by asking again now, says that *token_id* was refused.

        A client that can read the token (a JWT) asks again by itself near its end: never in the
        first half of the remaining life. *settling* is as in `Asked`.
        """
        given = self._given.get(asker)
        if given is None or given.token_id != token_id:
            return False
        if settling and (given.several or now - given.since < settling):
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
        self._replaced[token_id] = False
        if len(self._replaced) > _MOST:
            self._replaced.popitem(last=False)
        return True

    def came_again(self, token_id: str) -> None:
        """Note a mint: if this token was to be replaced, its source has no other."""
        if token_id in self._replaced:
            self._replaced[token_id] = True

    def has_no_other(self, token_id: str) -> bool:
        """Return whether the source gave this token again when another one was wanted."""
        return self._replaced.get(token_id, False)

    def accepted(self, token_id: str) -> None:
        """Note that a service took this token: what was seen before says nothing any more."""
        self._replaced.pop(token_id, None)

    def shift(self, seconds: float) -> None:
        """Move all remembered times by *seconds*: the clock was set by as much."""
        for given in self._given.values():
            given.at += seconds
            given.since += seconds
        for forced in self._forced.values():
            forced.at += seconds

    def forget(self, credential: str) -> None:
        """Forget the throttle of a credential that is gone."""
        self._forced.pop(credential, None)
