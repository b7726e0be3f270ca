"""What every kind of sink can do; each kind has its own file, and `kinds` finds it.

`sinks` decides when, and runs what waits for a disk in a thread.
"""

from __future__ import annotations

from typing import Protocol

from credward.config import CredentialConfig
from credward.sinks.ours import Marks
from credward.tokens import Token

__all__ = ["Sink"]


class Sink(Protocol):
    """One place for a token. All but `shaped` and `marks` wait for the disk.

    They raise `BrokerError` with the command that helps, or `OSError`. What fits none of the marks
    *ours* is never replaced or removed: then they raise `NotOursError`.
    """

    def shaped(self, token: Token, credential: CredentialConfig, now: float) -> bytearray:
        """Return what is written for *token*; the caller wipes it."""
        ...

    def marks(self, body: bytearray, credential: CredentialConfig) -> Marks:
        """Return by what the place is known again once *body*, from `shaped`, is written."""
        ...

    def check(self, ours: Marks) -> Marks:
        """Refuse a place that cannot be written; return those of *ours* that are of what is there.

        None: nothing is there.
        """
        ...

    def holds(self, ours: Marks) -> bool:
        """Return whether a token of ours is there."""
        ...

    def write(self, body: bytearray, credential: CredentialConfig, ours: Marks) -> None:
        """Replace what is there by *body*; durable on return."""
        ...

    def remove(self, ours: Marks) -> bool:
        """Take away what is ours, if it is there; durable on return.

        Return whether something is left that the next `write` goes into.
        """
        ...
