"""The other end of a connection, as every door and the gate know it.

How this system finds out who it is: `identify` and the modules that it chooses from.
"""

from __future__ import annotations

from typing import Protocol

from credward.callers.caller import Caller

__all__ = ["Peer"]


class Peer(Protocol):
    """The other end of a connection, attested again for each request."""

    @property
    def uid(self) -> int:
        """The user that called connect."""
        ...

    @property
    def pid(self) -> int | None:
        """The process that called connect; None if it has no pid in our namespace."""
        ...

    def pin(self) -> None:
        """Take note of the program that runs now: another one that comes later proves nothing.

        For who has to wait for the bytes of a request; without it, the first look pins.
        """
        ...

    async def locate(self) -> None:
        """Find out which process it is, if that takes time; what cannot be told stays absent."""
        ...

    def identify(self) -> Caller:
        """Return the caller as it is now; raises `denied` if the process that connected is gone."""
        ...

    async def identify_closely(self) -> Caller:
        """Return the caller with the marks in its environment, for what only owners do."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...
