"""Callables that return a token: for `azure_ad_token_provider=` and whatever else takes one.

SDKs call them for each request; the daemon answers from memory.
"""

from __future__ import annotations

import asyncio

from credward.sdk.asking import Wanted, ask

__all__ = ["AsyncTokenProvider", "TokenProvider"]


class TokenProvider:
    """Call it for a token. Safe in threads and after a fork; a call raises `BrokerError`."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    def __call__(self) -> str:
        """Return a token that is valid now."""
        return ask(self._wanted).text()

    def __repr__(self) -> str:
        return self._wanted.described("token_provider")


class AsyncTokenProvider:
    """The same for `async` clients: await the call. It asks in a thread (asyncio)."""

    def __init__(self, wanted: Wanted) -> None:
        self._provider = TokenProvider(wanted)
        self._wanted = wanted

    async def __call__(self) -> str:
        """Return a token that is valid now."""
        return await asyncio.to_thread(self._provider)

    def __repr__(self) -> str:
        return self._wanted.described("async_token_provider")
