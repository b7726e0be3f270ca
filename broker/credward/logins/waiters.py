"""Who was told to log in first, so that a login can say how many agents it brought back.

Counts; names nobody.
"""

from __future__ import annotations

from credward.callers.caller import Caller

__all__ = ["LoginWaiters"]

# More agents than that on one machine is a loop that starts processes.
_MOST = 10_000


class LoginWaiters:
    """Agents that got `login-required`, by grant."""

    def __init__(self) -> None:
        self._agents: dict[str, set[tuple[int, int]]] = {}

    def note(self, grant: str, caller: Caller) -> None:
        """Note one refusal; an agent is counted once, a process without one is its own agent."""
        agents = self._agents.setdefault(grant, set())
        if len(agents) < _MOST:
            agent = caller.agent
            agents.add((caller.pid or 0, 0) if agent is None else (agent.pid, agent.start_time))

    def take(self, grant: str) -> int:
        """Return how many agents were turned away since the last time."""
        return len(self._agents.pop(grant, ()))
