"""What Claude Code would say of itself where it asks by a protocol that has no place for that.

Its helper reports the variables and the settings files that decide where it sends a token; at an
endpoint nobody does. So a program of ours looks (`cli.client_report`), as the helper would have.
"""

from __future__ import annotations

import os
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

        None for all but Claude Code itself, and for that of another user if it is hidden. Raises
        `denied` if it cannot be told: then it is not served as a client of which nothing is known,
        or a file that nobody can read would set it free.
        """
        if not _is_claude_code(caller):
            return None
        if not caller.attested:
            # In a container, say, where its files are others; or its program was replaced.
            raise _unclear("run it anew, and not in a container")
        ended = await self._looker.run(sys.executable, "-I", "-m", _PROGRAM, str(caller.pid))
        if ended is not None and ended.code == HIDDEN and caller.uid != os.geteuid():
            return None
        if ended is None or ended.code != 0:
            raise _unclear("run credward doctor in its folder")
        return ended.output


def _unclear(remedy: str) -> BrokerError:
    return BrokerError(
        Kind.DENIED, f"where Claude Code sends its requests cannot be found out: {remedy}"
    )


def _is_claude_code(caller: Caller) -> bool:
    """Whether it is Claude Code itself, and not one of its tools."""
    agent = caller.agent
    return caller.harness == CLAUDE_CODE and agent is not None and agent.pid == caller.pid
