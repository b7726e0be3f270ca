"""What happens on a grant while it waits for a login: who was refused, and how the last try ended.

Counts agents, so that a login can say how many it helped, and keeps no names. A restart forgets it.
"""

from __future__ import annotations

import msgspec

from credward.callers.caller import Caller
from credward.errors import Failure, Kind

__all__ = ["FailedLogin", "LoginWaiters"]

# More agents than this on one machine mean a loop that starts processes.
_MOST = 10_000


class FailedLogin(msgspec.Struct, frozen=True):
    """Why the last login of a grant failed, and when (Unix seconds)."""

    failure: Failure
    at: float


class LoginWaiters:
    """Agents that got `login-required`, and the last failed login, by grant."""

    def __init__(self) -> None:
        self._agents: dict[str, set[tuple[int, int]]] = {}
        self._failed: dict[str, FailedLogin] = {}

    def note(self, grant: str, caller: Caller) -> None:
        """Note one refusal; an agent counts once, a process without one is its own agent."""
        agents = self._agents.setdefault(grant, set())
        if len(agents) < _MOST:
            agent = caller.agent
            agents.add((caller.pid or 0, 0) if agent is None else (agent.pid, agent.start_time))

    def login_failed(self, grant: str, failure: Failure, now: float) -> None:
        """Note how a login ended; one that a user cancelled has not failed."""
        self._failed[grant] = FailedLogin(failure, now)

    def last_failure(self, grant: str) -> FailedLogin | None:
        """Return how the last login failed; None since one worked, or the grant was dropped."""
        return self._failed.get(grant)

    def forget_failure(self, grant: str) -> None:
        """The grant was dropped, or is not configured any more: the next login is a new start."""
        self._failed.pop(grant, None)

    def explained(self, grant: str, failure: Failure) -> Failure:
        """Return *failure*; if it asks for a login, with the reason why the last one failed.

        Without this, a user whose login failed would only be told to log in again.
        """
        last = self._failed.get(grant)
        if last is None or failure.kind is not Kind.LOGIN_REQUIRED:
            return failure
        # One command in a line: that of the failed login is in `status NAME`.
        also = f"the last login failed: {last.failure.happened}"
        return msgspec.structs.replace(failure, also=also)

    def take(self, grant: str) -> int:
        """A login worked: forget all, and return how many agents were refused since the last."""
        self._failed.pop(grant, None)
        return len(self._agents.pop(grant, ()))
