"""A token on its way out: its facts, and a handle that opens once and is wiped.

`issuer` makes it after the audit line is written; the door gives it its format.
"""

from __future__ import annotations

from collections.abc import Callable

from credward.config import CredentialConfig
from credward.minting.driver import Answer
from credward.minting.token_cache import Held
from credward.tokens import Secret, Token
from credward.workers.token_bytes import wipe

__all__ = ["Released"]


class Released:
    """The token to hand out. *credential* is the one that served, in the format of the named one.

    *held* has the facts of the token, times in Unix seconds; *short*: it lasts less long than
    asked.
    """

    __slots__ = ("_open", "credential", "held", "short")

    def __init__(
        self, credential: CredentialConfig, answer: Answer, unseal: Callable[[Held], bytearray]
    ) -> None:
        self.credential = credential
        self.held = answer.held
        self.short = answer.short
        self._open: Callable[[Held], bytearray] | None = unseal

    def open(self) -> bytearray:
        """Return the plain token, once; the caller wipes it."""
        unseal, self._open = self._open, None
        if unseal is None:
            raise RuntimeError("this token was already opened")
        return unseal(self.held)

    def token(self) -> Token:
        """Return the token with its facts, once: for formats."""
        plain = self.open()
        try:
            return Token(
                secret=Secret(plain.decode("ascii")),
                kind=self.held.kind,
                issued_at=self.held.issued_at,
                expires_at=self.held.expires_at,
                audience=self.held.audience,
                upstream_id=self.held.upstream_id,
            )
        finally:
            wipe(plain)

    def __repr__(self) -> str:
        return f"Released({self.credential.name}, {self.held.token_id})"
