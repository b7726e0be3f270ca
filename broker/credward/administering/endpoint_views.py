"""The endpoints on loopback as they can be shown: where each is, or why it is not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from credward import wire
from credward.config import CredentialConfig, EndpointConfig
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

    def on_the_wire(self, credentials: Mapping[str, CredentialConfig]) -> wire.EndpointStatus:
        """Return what clients may see; *credentials* are those of the configuration."""
        usual = credentials.get(self.endpoint.credentials[0])
        return wire.EndpointStatus(
            name=self.endpoint.name,
            door=self.endpoint.door,
            credentials=list(self.endpoint.credentials),
            port=self.port,
            token_file=None if self.secret_file is None else str(self.secret_file),
            failure=None if self.failure is None else wire.Failure.of(self.failure),
            pid=self.pid,
            region=None if usual is None else usual.meaning.region,
        )
