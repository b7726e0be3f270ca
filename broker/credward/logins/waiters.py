"""Counts refused agents, so that a login can say how many agents it helped.

Counts only; keeps no names.
"""

from __future__ import annotations

from credward.callers.caller import Caller

__all__ = ["LoginWaiters"]

# More agents than this on one machine mean a loop that starts processes.
_MOST = 10_000


class LoginWaiters:
    """Agents that got `login-required`, by grant."""

    def __init__(self) -> None:
        self._agents: dict[str, set[tuple[int, int]]] = {}

    def note(self, grant: str, caller: Caller) -> None:
        """Note one refusal; an agent counts once, a process without one is its own agent."""
        agents = self._agents.setdefault(grant, set())
        if len(agents) < _MOST:
            agent = caller.agent
            agents.add((caller.pid or 0, 0) if agent is None else (agent.pid, agent.start_time))

    def take(self, grant: str) -> int:
        """Return how many agents were refused since the last call."""
        return len(self._agents.pop(grant, ()))
