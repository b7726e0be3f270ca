"""Tokens that may be handed out: the protocol of a cache of them, and the one in memory.

What is handed out, and for how long, is the lifecycle's; one that persists is `persisted_tokens`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from credward.lifecycle.vocabulary import TokenKey
from credward.minting.sealer import Sealer
from credward.tokens import TokenKind

__all__ = ["Held", "MemoryTokens", "TokenCache", "TokenFacts"]


class TokenFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a token and no secret; instants are Unix seconds."""

    token_id: str
    kind: TokenKind
    issued_at: float
    expires_at: float | None
    audience: str | None
    upstream_id: str | None
    warning: str | None
    minted_at: float


class Held(TokenFacts, frozen=True, kw_only=True):
    """A cached token as it lies in memory: sealed, with its facts."""

    sealed: bytes


class TokenCache(Protocol):
    """Keeps tokens by key and token id."""

    def get(self, key: TokenKey, token_id: str) -> Held:
        """Return one that is there."""
        ...

    def put(self, key: TokenKey, facts: TokenFacts, body: bytearray) -> Held:
        """Take one in; *body*, its plain text, is wiped."""
        ...

    def drop(self, key: TokenKey, token_id: str) -> None:
        """Forget one, if it is there."""
        ...

    def restore(self) -> Iterable[tuple[TokenKey, Held]]:
        """Take in what an earlier life of the daemon left, and yield it."""
        ...

    def open(self, held: Held) -> bytearray:
        """Return the plain token; the caller wipes it."""
        ...

    def all(self) -> Iterator[tuple[TokenKey, Held]]:
        """Yield those that are there."""
        ...


class MemoryTokens:
    """Sealed, in this process, and gone with it."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._tokens: dict[tuple[TokenKey, str], Held] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def get(self, key: TokenKey, token_id: str) -> Held:
        """Return one that is there."""
        return self._tokens[key, token_id]

    def put(self, key: TokenKey, facts: TokenFacts, body: bytearray) -> Held:
        """Take one in; *body*, its plain text, is wiped."""
        held = Held(
            sealed=self._sealer.seal(body, facts.token_id),
            token_id=facts.token_id,
            kind=facts.kind,
            issued_at=facts.issued_at,
            expires_at=facts.expires_at,
            audience=facts.audience,
            upstream_id=facts.upstream_id,
            warning=facts.warning,
            minted_at=facts.minted_at,
        )
        body[:] = bytes(len(body))
        self._tokens[key, held.token_id] = held
        return held

    def drop(self, key: TokenKey, token_id: str) -> None:
        """Forget one, if it is there."""
        self._tokens.pop((key, token_id), None)

    def restore(self) -> Iterable[tuple[TokenKey, Held]]:
        """Return nothing: what lies in memory ends with its daemon."""
        return ()

    def open(self, held: Held) -> bytearray:
        """Return the plain token; the caller wipes it."""
        return self._sealer.open(held.sealed, held.token_id)

    def all(self) -> Iterator[tuple[TokenKey, Held]]:
        """Yield those that are there."""
        for (key, _), held in self._tokens.items():
            yield key, held

    def clear(self) -> None:
        """Forget them all."""
        self._tokens.clear()
