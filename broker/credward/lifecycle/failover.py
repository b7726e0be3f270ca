"""Which entry of a chain to ask: the windows in which one is left alone, and who stays with whom.

Pure, like `machine`: failures and asks in, an order out, `now` passed in (Unix seconds). It asks
nobody; whether an entry may be had at all is for policy, per entry.

Rules:

1. A failure that time heals opens a *cooldown*: 30 s, after the next one 60 s, then 5 min, and
   never shorter than the source asked for.
2. A failure that needs somebody opens *disabled*: until a login, or until a changed configuration,
   which is tried anyway every hour, or when the failure says.
3. Failures while a window is open change nothing; success closes it and counts from the beginning.
4. A session that was served by another entry stays with it while that one is usable.
"""

from __future__ import annotations

import enum
import math
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

import msgspec

from credward.errors import Failure, Kind, Recovery
from credward.lifecycle import schedule

__all__ = ["Failover", "Window", "WindowState", "fails_over"]

# Sessions remembered at most; the one that asked longest ago goes first.
_MOST_SESSIONS = 4096
_FAILS_OVER = frozenset(
    {
        Kind.LOGIN_REQUIRED,
        Kind.FIX_CONFIGURATION,
        Kind.PROVIDER_REFUSED,
        Kind.PROVIDER_UNREACHABLE,
        Kind.RATE_LIMITED,
        Kind.STORE_LOCKED,
        Kind.TIMED_OUT,
        Kind.INTERNAL,
    }
)


class WindowState(enum.StrEnum):
    """Why an entry is left alone: time heals it, or somebody has to."""

    COOLDOWN = "cooldown"
    DISABLED = "disabled"


class Window(msgspec.Struct, kw_only=True):
    """An entry is left alone *until* then; infinite: until it is cleared."""

    state: WindowState
    failure: Failure
    until: float
    length: float

    def remaining(self, now: float) -> float:
        """Return the seconds that are left; a clock set back does not make it longer."""
        if self.until - now > self.length:
            self.until = now + self.length
        return self.until - now


_Entry = TypeVar("_Entry", bound=Hashable)


def fails_over(failure: Failure) -> bool:
    """Return whether another entry may help: not where the ask itself was wrong or not allowed."""
    return failure.kind in _FAILS_OVER


class Failover(Generic[_Entry]):
    """The windows of all entries, and the sessions that do not ask where they were sent to.

    An entry is named by anything hashable that changes with its configuration.
    """

    def __init__(self) -> None:
        self._windows: dict[_Entry, Window] = {}
        self._failed: dict[_Entry, int] = {}
        self._sessions: OrderedDict[Hashable, _Entry] = OrderedDict()

    def failed(self, entry: _Entry, failure: Failure, now: float) -> None:
        """Note that *entry* gave no token; opens a window unless one is open."""
        if not fails_over(failure) or self.window(entry, now) is not None:
            return
        if failure.recovery is Recovery.RETRY:
            count = self._failed[entry] = self._failed.get(entry, 0) + 1
            length = max(schedule.cooldown(count), schedule.asked_for(failure.retry_after))
            state = WindowState.COOLDOWN
        else:
            login = failure.recovery is Recovery.REAUTHORIZE
            length = math.inf if login else failure.retry_after or schedule.FIX_INTERVAL
            state = WindowState.DISABLED
        self._windows[entry] = Window(
            state=state, failure=failure, until=now + length, length=length
        )

    def succeeded(self, entry: _Entry) -> None:
        """Note that *entry* gave a token, or could: by a login, by a refresh in the background."""
        self._windows.pop(entry, None)
        self._failed.pop(entry, None)

    def window(self, entry: _Entry, now: float) -> Window | None:
        """Return the open window of *entry*, None where it may be asked."""
        window = self._windows.get(entry)
        if window is not None and window.remaining(now) <= 0:
            # Over, but the next one is longer: only success starts from the beginning.
            del self._windows[entry]
            return None
        return window

    def order(self, chain: Sequence[_Entry], session: Hashable | None, now: float) -> list[_Entry]:
        """Return the entries of *chain* to be tried, best first; never none.

        Where none is usable, those that time heals are tried anyway (back-off still holds for
        each), and where a human has to act, the first one, which says so.
        """
        first = self.serving(chain, session)
        wished = [first, *(each for each in chain if each != first)]
        windows = {each: self.window(each, now) for each in wished}
        usable = [each for each in wished if windows[each] is None]
        cooling = [
            each
            for each in wished
            if (window := windows[each]) is not None and window.state is WindowState.COOLDOWN
        ]
        return usable or cooling or [chain[0]]

    def serving(self, chain: Sequence[_Entry], session: Hashable | None) -> _Entry:
        """Return the entry that *session* stays with: the first, unless it was sent on."""
        sent_to = None if session is None else self._sessions.get((session, chain[0]))
        return sent_to if sent_to is not None and sent_to in chain else chain[0]

    def served(self, chain: Sequence[_Entry], entry: _Entry, session: Hashable | None) -> None:
        """Note that *session* got the token of *entry*."""
        self.succeeded(entry)
        if session is None:
            return
        place = (session, chain[0])
        if entry == chain[0]:
            self._sessions.pop(place, None)
            return
        self._sessions[place] = entry
        self._sessions.move_to_end(place)
        if len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)

    def keep_only(self, entries: Iterable[_Entry]) -> None:
        """Forget the windows of all other entries."""
        kept = set(entries)
        self._windows = {each: window for each, window in self._windows.items() if each in kept}
        self._failed = {each: count for each, count in self._failed.items() if each in kept}
