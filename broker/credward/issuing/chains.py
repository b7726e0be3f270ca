"""Ask the entries of a chain in turn until one serves; policy decides on each as if it was named.

`fallbacks` decides which entries to skip and in which order to try; `issuer` asks one entry.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from credward.config import CredentialConfig
from credward.errors import BrokerError, Failure
from credward.issuing.authorized import Authorized
from credward.issuing.fallbacks import Fallbacks
from credward.issuing.gate import Gate
from credward.issuing.released import Released
from credward.lifecycle.failover import fails_over

__all__ = ["Chains"]

# The share of the caller's remaining time for an entry that has a fallback.
_SHARE = 0.75

# Asks for the token of one credential, until an instant of the loop's clock (seconds).
_Ask = Callable[[Authorized, float], Released | Awaitable[Released]]


class _Chain(msgspec.Struct):
    """A request on its way along the chain; *failure* is raised if no entry answers.

    *names*: the entries not asked yet; *until*: when the caller needs an answer, by the loop's
    clock.
    """

    asked: Authorized
    names: deque[str]
    until: float
    ask: _Ask
    failure: Failure | None = None


class Chains:
    """Walks along chains."""

    def __init__(self, *, gate: Gate, fallbacks: Fallbacks) -> None:
        self._gate = gate
        self._fallbacks = fallbacks

    def names(self, asked: CredentialConfig) -> list[str]:
        """Return *asked* and its fallbacks."""
        if not asked.fallback:
            return [asked.name]
        return self._fallbacks.names(self._gate.config, asked)

    def meant(self, asked: Authorized, token_id: str | None) -> str:
        """Return the entry whose token a caller means; it knows only the name it asked for."""
        return self._fallbacks.meant(self._gate.config, asked.credential, asked.caller, token_id)

    def obtain(self, asked: Authorized, until: float, ask: _Ask) -> Released | Awaitable[Released]:
        """Return the answer of the first entry that has one; *ask* asks one entry.

        If none has, the failure is that of the named entry.
        """
        order = self._fallbacks.order(self._gate.config, asked.credential, asked.caller)
        return self._try_each(_Chain(asked, deque(order), until, ask))

    def _try_each(self, chain: _Chain) -> Released | Awaitable[Released]:
        while chain.names:
            name = chain.names.popleft()
            entry = chain.asked
            try:
                entry = self._authorize(chain, name)
                answer = chain.ask(entry, _deadline(chain))
            except BrokerError as error:
                self._pass_over(chain, name, entry, error.failure)
                continue
            if not isinstance(answer, Released):
                return self._try_later(chain, entry, answer)
            self._served(chain, entry)
            return answer
        # The order is never empty, and each entry in it served or failed.
        assert chain.failure is not None
        raise chain.failure.error()

    async def _try_later(
        self, chain: _Chain, entry: Authorized, waiting: Awaitable[Released]
    ) -> Released:
        try:
            answer = await waiting
        except BrokerError as error:
            self._pass_over(chain, entry.credential.name, entry, error.failure)
            later = self._try_each(chain)
            return later if isinstance(later, Released) else await later
        self._served(chain, entry)
        return answer

    def _authorize(self, chain: _Chain, name: str) -> Authorized:
        """Decide on an entry as if it was named; the answer keeps the requested format."""
        asked = chain.asked
        if name == asked.credential.name:
            return asked
        entry = self._gate.authorize_instead(asked, name)
        shaped_as = msgspec.structs.replace(
            entry.credential, header=asked.credential.header, env_name=asked.credential.env_name
        )
        return msgspec.structs.replace(entry, credential=shaped_as)

    def _served(self, chain: _Chain, entry: Authorized) -> None:
        asked = chain.asked.credential
        self._fallbacks.served(self._gate.config, asked, entry.credential, entry.caller)

    def _pass_over(self, chain: _Chain, name: str, entry: Authorized, failure: Failure) -> None:
        """Note why *name* does not serve; raise if no other entry could."""
        asked = chain.asked.credential
        own = name == asked.name
        if own and not fails_over(failure):
            raise failure.error()
        # If policy refused it, *entry* is still the previous one: *name* was not asked.
        if name == entry.credential.name:
            self._fallbacks.failed(entry.credential, failure)
        # Callers get an error about the name that they know.
        if own:
            chain.failure = failure
        elif chain.failure is None:
            chain.failure = self._fallbacks.failure_of(asked) or failure


def _deadline(chain: _Chain) -> float:
    """Return until when to wait for an entry: leave time for the next one, if there is one."""
    if not chain.names:
        return chain.until
    now = asyncio.get_running_loop().time()
    return now + max(0.0, (chain.until - now) * _SHARE)
