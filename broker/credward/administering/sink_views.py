"""The files that are kept fresh as they can be shown: what is in each, or why nothing is."""

from __future__ import annotations

import msgspec

from credward import wire
from credward.config import SinkConfig
from credward.errors import Failure

__all__ = ["SinkView"]


class SinkView(msgspec.Struct, frozen=True, kw_only=True):
    """One sink: its *state* (`sinks.state`), and why it is not fresh.

    *token_id*, *written_at* and *ends_at* are of the token in it (Unix seconds).
    """

    sink: SinkConfig
    state: str
    token_id: str | None
    written_at: float | None
    ends_at: float | None
    failure: Failure | None

    def on_the_wire(self) -> wire.SinkStatus:
        """Return what clients may see."""
        return wire.SinkStatus(
            path=str(self.sink.path),
            profile=self.sink.profile or None,
            format=self.sink.format,
            credential=self.sink.credential,
            state=self.state,
            token_id=self.token_id,
            written_at=self.written_at,
            expires_at=self.ends_at,
            failure=None if self.failure is None else wire.Failure.of(self.failure),
        )
