"""Ask the entries of a chain in turn, until one serves: each decided on as if it had been named.

Who is left alone, and in which order they are tried, is `fallbacks`; asking one entry is `issuer`.
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

# Of the time that a caller still has, this much is for an entry that others can stand in for.
_SHARE = 0.75

# Asks for the token of one credential, until an instant of the loop's clock (seconds).
_Ask = Callable[[Authorized, float], Released | Awaitable[Released]]


class _Chain(msgspec.Struct):
    """An ask on its way along the entries that may answer it; *failure* if none does.

    *names*: who was not asked yet; *until*: when the caller is answered, by the loop's clock.
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
        """Return *asked* and all that may stand in for it."""
        if not asked.fallback:
            return [asked.name]
        return self._fallbacks.names(self._gate.config, asked)

    def meant(self, asked: Authorized, token_id: str | None) -> str:
        """Return whose token a caller means that knows only the name it asked for."""
        return self._fallbacks.meant(self._gate.config, asked.credential, asked.caller, token_id)

    def obtain(self, asked: Authorized, until: float, ask: _Ask) -> Released | Awaitable[Released]:
        """Return the answer of the first entry that has one, as *ask* gives it for one entry.

        Where none has, the failure is the one of the entry that was named.
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
        # The order is never empty, and who was in it served or failed.
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
        """Decide on an entry as if it had been named; the answer keeps the shape asked for."""
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


def _deadline(chain: _Chain) -> float:
    """Return until when an entry is waited for: time is left for the next one, if there is one."""
    if not chain.names:
        return chain.until
    now = asyncio.get_running_loop().time()
    return now + max(0.0, (chain.until - now) * _SHARE)
