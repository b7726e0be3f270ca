"""The daemon itself: reload its configuration, return its audit log, say whether it is ready.

`daemon.compose` does the reload.
"""

from __future__ import annotations

from collections.abc import Callable

from credward import wire
from credward.administering.leftovers import Leftovers
from credward.audit import AuditLog, AuditPage
from credward.callers.peer import Peer
from credward.config import Config
from credward.issuing.gate import Gate

__all__ = ["DaemonService"]


class DaemonService:
    """What an owner can do with the process. *stopping*: it takes no new work."""

    def __init__(
        self, *, gate: Gate, audit: AuditLog, leftovers: Leftovers, reload: Callable[[], Config]
    ) -> None:
        self._gate = gate
        self._leftovers = leftovers
        self._audit = audit
        self._reload = reload
        self.stopping = False

    async def reload(self, peer: Peer) -> wire.ReloadResult:
        """Reload configuration and policy; on an error the old ones stay, and the error says so."""
        await self._gate.require_owner("Manage", peer)
        config = self._reload()
        return wire.ReloadResult(
            credentials=sorted(config.credentials),
            sources=[str(source) for source in config.sources],
            warnings=[*config.warnings, *self._leftovers.warnings()],
        )

    def audit(self, peer: Peer, after: str | None) -> AuditPage:
        """Return audit lines, oldest first."""
        self._gate.require("Inspect", peer)
        return self._audit.after(after)

    def ready(self) -> wire.Ready:
        """Say whether requests should be sent here, whatever the state of upstream."""
        reasons = ["stopping"] if self.stopping else []
        return wire.Ready(ready=not reasons, reasons=reasons)
