"""What every kind of sink can do; each kind has its own file, and `kinds` finds it.

`sinks` decides when, and runs what waits for a disk in a thread.
"""

from __future__ import annotations

from typing import Protocol

from credward.config import CredentialConfig
from credward.tokens import Token

__all__ = ["Sink"]


class Sink(Protocol):
    """One place for a token. All but `shaped` wait for the disk.

    They raise `BrokerError` with the command that helps, or `OSError`.
    """

    def shaped(self, token: Token, credential: CredentialConfig, now: float) -> bytearray:
        """Return what is written for *token*; the caller wipes it."""
        ...

    def check(self, *, ours: bool) -> None:
        """Refuse a place that cannot be written, or where something lies that is not *ours*."""
        ...

    def there(self) -> bool:
        """Return whether something lies at the place that `write` uses."""
        ...

    def write(self, body: bytearray, credential: CredentialConfig) -> None:
        """Replace what is there by *body*, from `shaped`; durable on return."""
        ...

    def remove(self) -> None:
        """Take away what `write` put there, if it is there; durable on return."""
        ...
