"""The endpoints on loopback as they can be shown: where each is, or why it is not there."""

from __future__ import annotations

from pathlib import Path

import msgspec

from credward import wire
from credward.config import EndpointConfig
from credward.errors import Failure

__all__ = ["EndpointView"]


class EndpointView(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint: the *port* that it is at, or the *failure* that keeps it closed.

    *secret_file* holds what its clients must show, None if they show nothing. *pid*: the process
    that it ends with, None: it is of the configuration.
    """

    endpoint: EndpointConfig
    port: int | None
    secret_file: Path | None
    failure: Failure | None
    pid: int | None = None

    def on_the_wire(self) -> wire.EndpointStatus:
        """Return what clients may see."""
        return wire.EndpointStatus(
            name=self.endpoint.name,
            door=self.endpoint.door,
            credentials=list(self.endpoint.credentials),
            port=self.port,
            token_file=None if self.secret_file is None else str(self.secret_file),
            failure=None if self.failure is None else wire.Failure.of(self.failure),
            pid=self.pid,
        )
