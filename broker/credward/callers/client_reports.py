"""What Claude Code would say of itself where it asks by a protocol that has no place for that.

Its helper reports the variables and the settings files that decide where it sends a token; at an
endpoint nobody does. So a program of ours looks (`cli.client_report`), as the helper would have.
"""

from __future__ import annotations

import sys

from credward.callers.caller import Caller
from credward.callers.looking import Looker
from credward.callers.programs import CLAUDE_CODE
from credward.errors import BrokerError, Kind

__all__ = ["HIDDEN", "ClientReports"]

# The exit code of the program where it may not look.
HIDDEN = 3
_PROGRAM = "credward.cli.client_report"


class ClientReports:
    """Has *looker* look."""

    def __init__(self, looker: Looker) -> None:
        self._looker = looker

    async def of(self, caller: Caller) -> bytes | None:
        """Return the report on variables, a line end, and the body about the folder.

        None for all but Claude Code itself, and if it may not be looked at: another user's, or in a
        container. Raises `timed-out` if its memory or its folder does not answer.
        """
        if not _is_claude_code(caller) or not caller.attested:
            return None
        ended = await self._looker.run(sys.executable, "-I", "-m", _PROGRAM, str(caller.pid))
        if ended is not None and ended.code == HIDDEN:
            return None
        if ended is None or ended.code != 0:
            raise BrokerError(
                Kind.TIMED_OUT,
                "where Claude Code sends its requests could not be found out in time: try again, "
                "or ask in another folder",
            )
        return ended.output


def _is_claude_code(caller: Caller) -> bool:
    """Whether it is Claude Code itself, and not one of its tools."""
    agent = caller.agent
    return caller.harness == CLAUDE_CODE and agent is not None and agent.pid == caller.pid
