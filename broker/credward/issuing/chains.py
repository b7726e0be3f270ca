"""Ask the entries of a chain in turn, until one serves: each decided on as if it had been named.

Who is left alone, and in which order they are tried, is `fallbacks`; asking one entry is `issuer`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from credward.config import Config
from credward.errors import BrokerError, Failure, Kind
from credward.issuing.authorized import Authorized
from credward.issuing.fallbacks import Fallbacks
from credward.issuing.gate import Gate, Holder, Peer
from credward.lifecycle.failover import fails_over

__all__ = ["Chains"]

# Of the time that a caller still has, this much is for an entry that others can stand in for.
_SHARE = 0.75

_T = TypeVar("_T")
_Ask = Callable[[Authorized], "_T | asyncio.Future[_T]"]


@dataclass(slots=True)
class _Chain:
    """An ask on its way along the entries that may answer it; *failure* if none does.

    *names*: who was not asked yet; *until*: when the caller gives up, by the loop's clock.
    """

    peer: Peer
    asked: Authorized
    names: deque[str]
    until: float
    failure: Failure | None = None


class Chains:
    """Walks along chains."""

    def __init__(self, *, holder: Holder, gate: Gate, fallbacks: Fallbacks) -> None:
        self._holder = holder
        self._gate = gate
        self._fallbacks = fallbacks

    def issue(self, peer: Peer, asked: Authorized, ask: _Ask[_T]) -> _T | asyncio.Future[_T]:
        """Return the answer of the first entry that has one, as *ask* gives it for one entry.

        Where none has, the failure is the one of the entry that was named.
        """
        order = self._fallbacks.order(self._config, asked.credential, asked.caller)
        until = asyncio.get_running_loop().time() + asked.token_request.timeout
        return self._try_each(_Chain(peer, asked, deque(order), until), ask)

    @property
    def _config(self) -> Config:
        return self._holder.active.config

    def _try_each(self, chain: _Chain, ask: _Ask[_T]) -> _T | asyncio.Future[_T]:
        while chain.names:
            name = chain.names.popleft()
            entry = chain.asked
            try:
                entry = self._admit(chain, name)
                answer = ask(entry)
            except BrokerError as error:
                self._pass_over(chain, name, entry, error.failure)
                continue
            if isinstance(answer, asyncio.Future):
                loop = asyncio.get_running_loop()
                return loop.create_task(self._try_later(chain, entry, answer, ask))
            self._served(chain, entry)
            return answer
        # The order is never empty, and who was in it served or failed.
        assert chain.failure is not None
        raise chain.failure.error()

    async def _try_later(
        self, chain: _Chain, entry: Authorized, waiting: asyncio.Future[_T], ask: _Ask[_T]
    ) -> _T:
        try:
            answer = await _in_time(chain, entry, waiting)
        except BrokerError as error:
            self._pass_over(chain, entry.credential.name, entry, error.failure)
            later = self._try_each(chain, ask)
            return await later if isinstance(later, asyncio.Future) else later
        self._served(chain, entry)
        return answer

    def _admit(self, chain: _Chain, name: str) -> Authorized:
        """Decide on an entry as if it had been named; the answer keeps the shape asked for."""
        asked = chain.asked
        if name == asked.credential.name:
            return asked
        token_request = replace(asked.token_request, credential=name)
        entry = self._gate.admit("Issue", chain.peer, token_request)
        self._gate.check_destination(entry)
        shaped_as = replace(
            entry.credential, header=asked.credential.header, env_name=asked.credential.env_name
        )
        return replace(entry, credential=shaped_as)

    def _served(self, chain: _Chain, entry: Authorized) -> None:
        asked = chain.asked.credential
        self._fallbacks.served(self._config, asked, entry.credential, entry.caller)

    def _pass_over(self, chain: _Chain, name: str, entry: Authorized, failure: Failure) -> None:
        """Note why *name* does not serve; raise where no other entry could."""
        asked = chain.asked.credential
        own = name == asked.name
        if own and not fails_over(failure):
            raise failure.error()
        # Where policy refused it, *entry* is still the one before: nothing was asked of *name*.
        if name == entry.credential.name:
            self._fallbacks.failed(entry.credential, failure)
        # What callers hear is about the name that they know.
        if own:
            chain.failure = failure
        elif chain.failure is None:
            chain.failure = self._fallbacks.failure_of(asked) or failure


async def _in_time(chain: _Chain, entry: Authorized, waiting: asyncio.Future[_T]) -> _T:
    """Wait for an entry, but leave time for the next one; the flight goes on."""
    if chain.names:
        patience = max(0.0, (chain.until - asyncio.get_running_loop().time()) * _SHARE)
        await asyncio.wait({waiting}, timeout=patience)
        if not waiting.done():
            waiting.cancel()
            raise BrokerError(
                Kind.TIMED_OUT,
                f'"{entry.credential.name}" is not there after {patience:.3g} s, '
                "the mint goes on: ask again",
            )
    return await waiting
