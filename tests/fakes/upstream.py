"""An identity provider of the far side, as the shell's `mint` sees it: counts, delays, fails to order."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from credward.errors import BrokerError
from credward.lifecycle.vocabulary import TokenKey
from credward.tokens import TokenKind
from fakes.clock import FakeClock


@dataclass(slots=True, kw_only=True)
class MintedBody:
    body: bytearray
    kind: TokenKind
    issued_at: float
    expires_at: float | None
    audience: str | None
    upstream_id: str | None
    token_id: str
    warning: str | None = None


class FakeUpstream:
    """Mints numbered tokens; holds flights back while `gate` is closed."""

    def __init__(self, clock: FakeClock, *, lifetime: float | None = 3600.0) -> None:
        self._clock = clock
        self.lifetime = lifetime
        self.mints: list[TokenKey] = []
        self.failure: BrokerError | Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.last_body: bytearray | None = None
        self.fixed: str | None = None
        self.kind: TokenKind = "bearer"

    async def mint(self, key: TokenKey) -> MintedBody:
        self.mints.append(key)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        text = self.fixed or f"token-{len(self.mints)}-{key.credential}"
        now = self._clock.now()
        self.last_body = bytearray(text.encode())
        return MintedBody(
            body=self.last_body,
            kind=self.kind,
            issued_at=now,
            expires_at=None if self.lifetime is None else now + self.lifetime,
            audience=key.audience,
            upstream_id="up-1",
            token_id=hashlib.sha256(text.encode()).hexdigest()[:16],
        )
