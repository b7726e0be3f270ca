"""The pool's half of a login, played by hand: what its worker is asked, and what it says."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from credward.store.journal import GrantFields, Lease, seal_grant
from credward.workers.link import CheckRequest, GrantGiven, LoginAnswer, LoginRequest


class LoginWorker:
    """Stands where `WorkerPool` does, with one login worker at a time."""

    def __init__(self) -> None:
        self.requests: list[LoginRequest] = []
        self.answers: list[tuple[str, str]] = []
        self.cancelled = 0
        self.end: asyncio.Future[GrantGiven]
        self.say: Any = None
        self.checks: list[tuple[str, asyncio.Future[None]]] = []

    async def login(
        self, provider: str, request: LoginRequest, on_event: Any, on_start: Any
    ) -> GrantGiven:
        """Go on until it is told how it ends."""
        del provider
        self.requests.append(request)
        self.end = asyncio.get_running_loop().create_future()
        self.say = on_event
        on_start(self)
        try:
            return await self.end
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def check(self, provider: str, request: CheckRequest, *, deadline: float) -> None:
        """Go on until it is told how it ends; one for each, in `checks`."""
        del provider, deadline
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.checks.append((request.credential, end))
        await end

    def answer(self, answer: LoginAnswer) -> None:
        """Note what the user typed."""
        self.answers.append((answer.field, answer.value.reveal()))

    def give(self, account: str | None = "alice") -> None:
        """End well, with a grant."""
        lease = Lease(mint="login", grant=self.requests[-1].credential, family=0, generation=-1)
        key = base64.b64decode(self.requests[-1].key.reveal())
        sealed = seal_grant(lease, key, GrantFields(secret="refresh", account=account))
        self.end.set_result(GrantGiven(sealed=sealed.sealed))
