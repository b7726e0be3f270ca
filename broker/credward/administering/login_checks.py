"""Asks servers whether people can log in there: not without end, and once for all who ask at once.

Anybody who may begin a login may ask, agents too. Each question takes a process and up to 25 s, and
its server sees a request.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from credward.callers.caller import Caller
from credward.clock import Clock
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Failure, Kind
from credward.issuing.caller_pace import CallerPace
from credward.logins.logins import Logins

__all__ = ["LoginChecks"]

# Each has a worker of its own, and none of them may crowd out logins and mints.
_MOST = 4


class _Check(NamedTuple):
    """One that is under way; *ends* with why people cannot log in, or with None."""

    credential: CredentialConfig
    ends: asyncio.Future[Failure | None]


class LoginChecks:
    """One at a time for each grant, a few in all."""

    def __init__(self, *, clock: Clock, logins: Logins) -> None:
        self._logins = logins
        self._pace = CallerPace(clock=clock, whom="login servers")
        self._under_way: dict[str, _Check] = {}

    async def check(self, caller: Caller, config: Config, credential: CredentialConfig) -> None:
        """Ask the server of *credential*; raise if people cannot log in there.

        Who comes while the same is being asked gets that answer. Raise `rate-limited` for one that
        asks too often, and if too many are being asked about.
        """
        while (other := self._under_way.get(credential.grant)) is not None:
            await asyncio.wait([other.ends])
            # It may have been about another credential on that grant, or about earlier settings;
            # and if who began it has gone, it has no answer.
            if other.credential == credential and not other.ends.cancelled():
                _raise(other.ends.result())
                return
        self._take(caller)
        ends: asyncio.Future[Failure | None] = asyncio.get_running_loop().create_future()
        self._under_way[credential.grant] = _Check(credential, ends)
        try:
            await self._logins.check(config, credential)
            ends.set_result(None)
        except BrokerError as error:
            ends.set_result(error.failure)
            raise
        finally:
            del self._under_way[credential.grant]
            # Without an answer the next one of those who wait asks.
            ends.cancel()

    def _take(self, caller: Caller) -> None:
        if len(self._under_way) >= _MOST:
            raise BrokerError(
                Kind.RATE_LIMITED,
                f"{_MOST} login servers are being asked already: ask again in a moment",
                retry_after=1.0,
            )
        self._pace.take(caller)


def _raise(failure: Failure | None) -> None:
    if failure is not None:
        raise failure.error()
