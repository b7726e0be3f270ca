"""The noun itself: what a provider is, what it is asked, and what it is given to work with.

The work is done by one file per identity system; the outside world is `io`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from credward.tokens import Secret, Token

__all__ = ["CommandResult", "Io", "Provider", "ProviderRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRequest:
    """One mint: the credential's checked settings, the narrowing, and the one grant it needs."""

    credential: str
    settings: msgspec.Struct
    audience: str | None = None
    scopes: tuple[str, ...] = ()
    grant: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a program ended. What it wrote to stderr is not kept: only how much that was."""

    exit_code: int
    output: bytes
    error_size: int

    def __repr__(self) -> str:
        return f"CommandResult(exit_code={self.exit_code}, output=***)"


class Io(Protocol):
    """Everything that a provider may touch beside its arguments."""

    def now(self) -> float:
        """Return the wall clock in Unix seconds, as the daemon sees it."""
        ...

    def environment(self) -> Mapping[str, str]:
        """Return the worker's environment: an allow-list, nothing of the user's shell."""
        ...

    def run_command(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] = {},
        timeout: float,
        standard_input: bytes = b"",
    ) -> CommandResult:
        """Run a program to its end, *env* added to its environment.

        Raise `BrokerError` where it cannot be started, takes longer than *timeout* seconds, or says
        too much; by then nothing that it started is left.
        """
        ...

    def warn(self, message: str) -> None:
        """Tell the people who look at this credential's state; one line, no secret."""
        ...


class Provider(Protocol):
    """A way to mint; blocking is fine, for the worker is killed at its deadline."""

    def mint(self, token_request: ProviderRequest, io: Io) -> Token:
        """Mint one token in one attempt, or raise `BrokerError`.

        No cache, sleep, retry or clock of its own, and no secret in any message.
        """
        ...
