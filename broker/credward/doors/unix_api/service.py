"""What the routes need from the daemon, as the protocol that `daemon` fulfils.

Nouns only; who calls what is `routes`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from credward import wire
from credward.http.messages import Peer
from credward.tokens import TokenRequest

__all__ = ["Issued", "Service"]


class Issued(Protocol):
    """An answer to a token request; the body is wiped once it is sent."""

    @property
    def body(self) -> bytes | bytearray:
        """The shaped token."""
        ...

    @property
    def content_type(self) -> str:
        """The media type of the body."""
        ...

    @property
    def credential(self) -> str:
        """The name of the credential that served."""
        ...

    @property
    def token_id(self) -> str:
        """The one-way name of the token."""
        ...

    @property
    def issued_at(self) -> float:
        """When the token was minted."""
        ...

    @property
    def expires_at(self) -> float | None:
        """When the token ends; None if that is unknown."""
        ...

    @property
    def short(self) -> bool:
        """Whether it lasts less long than was asked."""
        ...


class Service(Protocol):
    """What the routes need from the daemon; a credential called `-` is the default one."""

    def issue(self, peer: Peer, token_request: TokenRequest) -> Issued | Awaitable[Issued]:
        """Return a token in its shape, at once when one is at hand."""
        ...

    def refresh(self, peer: Peer, credential: str, timeout: float) -> Awaitable[wire.RefreshResult]:
        """Force one mint."""
        ...

    def rejected(self, peer: Peer, credential: str, report: wire.RejectedReport) -> None:
        """Note that a token was refused where it is used."""
        ...

    def statuses(self, peer: Peer) -> wire.StatusList:
        """Return all states, without secrets."""
        ...

    async def reload(self, peer: Peer) -> wire.ReloadResult:
        """Read the configuration again."""
        ...

    def health(self) -> wire.Health:
        """Return that the daemon answers."""
        ...

    def ready(self) -> wire.Ready:
        """Return whether tokens can be asked for."""
        ...

    def metrics(self) -> str:
        """Return the counters in the Prometheus text format."""
        ...

    def jwks(self, peer: Peer, credential: str) -> dict[str, Any]:
        """Return the public keys of a `local` credential."""
        ...

    def audit(self, peer: Peer, after: str | None) -> bytes:
        """Return audit lines (NDJSON) after the one called *after*."""
        ...
