"""The second half of every request: obtain a token, record that, release it.

Always in that order, for every door. `gate` decides who may, the lifecycle's `driver` when to mint,
`chains` which credential can replace which; the door shapes the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from credward.callers.peer import Peer
from credward.errors import BrokerError, Failure, Kind
from credward.issuing.asking import (
    NOTHING,
    asker,
    cache_ttl,
    min_remaining,
    settling,
    token_key,
)
from credward.issuing.authorized import Authorized
from credward.issuing.chains import Chains
from credward.issuing.gate import Gate, settled
from credward.issuing.metrics import Metrics
from credward.issuing.recording import Recorder
from credward.issuing.released import Released
from credward.lifecycle.vocabulary import Reason
from credward.logins.waiters import LoginWaiters
from credward.minting.driver import Answer, Driver
from credward.minting.source_files import SourceFiles
from credward.minting.token_cache import Held
from credward.tokens import TokenRequest

__all__ = ["Issuer", "Refreshed", "Report"]

# The daemon answers this long before the caller gives up (seconds): a late answer is useless.
_HEAD_START = 0.2

_T = TypeVar("_T")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's report that a token was refused where it is used.

    *token_id* None: the last one it got. *until*: when it may be used again (Unix seconds), if the
    caller knows.
    """

    token_id: str | None = None
    reason: Reason = Reason.UNAUTHORIZED
    until: float | None = None


class Refreshed(NamedTuple):
    """The state of a credential after a forced mint."""

    credential: str
    held: Held


class Issuer:
    """Answers for every door. A deadline is an instant of the loop's clock (seconds)."""

    def __init__(
        self,
        *,
        gate: Gate,
        driver: Driver,
        recorder: Recorder,
        chains: Chains,
        files: SourceFiles,
        login_waiters: LoginWaiters,
        metrics: Metrics,
    ) -> None:
        self._gate = gate
        self._driver = driver
        self._recorder = recorder
        self._chains = chains
        self._files = files
        self._login_waiters = login_waiters
        self._metrics = metrics

    def issue(
        self, peer: Peer, token_request: TokenRequest, deadline: float
    ) -> Released | Awaitable[Released]:
        """Hand out a token: at once from memory, else when the flight ends, or raise."""
        try:
            authorized = self._gate.authorize("Issue", peer, token_request)
            if isinstance(authorized, Authorized):
                answer = self.obtain(authorized, deadline)
            else:
                answer = self._obtain_settled(authorized, deadline)
        except BrokerError as error:
            self._metrics.answered(token_request.format, error.kind.slug)
            raise
        if isinstance(answer, Released):
            self._metrics.answered(token_request.format, "issued")
            return answer
        return self._counted(token_request, answer)

    async def issue_all(
        self, peer: Peer, token_requests: Sequence[TokenRequest], deadline: float
    ) -> list[Released]:
        """Hand out several tokens, or raise: all are decided before any is obtained.

        If then one fails, the audit log may call others issued, although nobody gets them.
        """
        allowed = []
        for each in token_requests:
            try:
                allowed.append(await settled(self._gate.authorize("Issue", peer, each)))
            except BrokerError as error:
                self._metrics.answered(each.format, error.kind.slug)
                raise
        return await asyncio.gather(
            *(self._counted(each.token_request, self._obtained(each, deadline)) for each in allowed)
        )

    def obtain(self, authorized: Authorized, deadline: float) -> Released | Awaitable[Released]:
        """Return the token of an allowed request, recorded; from any entry of a chain."""
        if stuck := self._stuck(authorized):
            return self._look_and_obtain(authorized, stuck, deadline)
        return self._obtain(authorized, deadline)

    async def refresh(self, peer: Peer, token_request: TokenRequest, deadline: float) -> Refreshed:
        """Force a mint; return the new state, without handing out the token."""
        authorized = await settled(self._gate.authorize("Issue", peer, token_request))
        name = authorized.credential.name
        before = self._driver.view(name).token_id
        try:
            answer = self._driver.force(token_key(authorized.credential, authorized.token_request))
            if not isinstance(answer, Answer):
                answer = await _in_time(answer, authorized, _answer_at(deadline))
            failure = self._driver.view(name).failure
            if failure is not None and answer.held.token_id == before:
                # The old token is still good for callers, but here a new one was asked for.
                raise failure.error()
        except BrokerError as error:
            self._recorder.failed(authorized, error.kind)
            raise self._explained(authorized, error) from error
        self._recorder.refreshed(authorized, answer.held.token_id, answer.held.upstream_id)
        return Refreshed(name, answer.held)

    async def report(self, peer: Peer, credential: str, report: Report) -> None:
        """Take a caller's report that a token was refused where it is used."""
        token_request = TokenRequest(credential=credential, format=NOTHING)
        authorized = await settled(self._gate.authorize("Issue", peer, token_request))
        meant = self._chains.meant(authorized, report.token_id)
        if meant != authorized.credential.name:
            authorized = self._gate.authorize_instead(authorized, meant)
        current = report.token_id or self._driver.view(authorized.credential.name).token_id
        self._recorder.rejected(authorized, current, report.reason.value)
        if current is not None:
            self._driver.reject(authorized.credential.name, current, report.reason, report.until)

    def accepted(self, credential: str, token_id: str) -> None:
        """Note that a service took this token just now: that is no report, but ends a doubt."""
        self._driver.accepted(credential, token_id)

    # --- one credential, or a chain of them --------------------------------------------------

    def _obtain(self, authorized: Authorized, deadline: float) -> Released | Awaitable[Released]:
        until = _answer_at(deadline)
        if not authorized.credential.fallback:
            return self._ask(authorized, until)
        return self._chains.obtain(authorized, until, self._ask)

    def _ask(self, authorized: Authorized, until: float) -> Released | Awaitable[Released]:
        """Return the token of one credential; the wait for it ends at *until*, the mint goes on."""
        caller, token_request = authorized.caller, authorized.token_request
        name = authorized.credential.name
        self._metrics.asked(name, caller)
        refused = token_request.other_than
        if refused is not None and self._driver.holds(name, refused):
            # A report, and a request for another token.
            self._recorder.rejected(authorized, refused, Reason.UNAUTHORIZED.value)
            self._driver.reject(name, refused, Reason.UNAUTHORIZED)
        ttl = cache_ttl(token_request, caller)
        try:
            answer = self._driver.ask(
                token_key(authorized.credential, token_request),
                min_remaining=min_remaining(token_request, ttl),
                asker=asker(token_request, caller),
                cache_ttl=ttl,
                settling=settling(token_request),
            )
        except BrokerError as error:
            self._failed(authorized, error.failure)
            raise self._explained(authorized, error) from error
        if isinstance(answer, Answer):
            return self._release(authorized, answer)
        return self._wait(authorized, answer, until)

    async def _wait(
        self, authorized: Authorized, flight: asyncio.Future[Answer], until: float
    ) -> Released:
        try:
            answer = await _in_time(flight, authorized, until)
        except BrokerError as error:
            self._failed(authorized, error.failure)
            raise self._explained(authorized, error) from error
        released = self._release(authorized, answer)
        return released if isinstance(released, Released) else await released

    def _release(self, authorized: Authorized, answer: Answer) -> Released | Awaitable[Released]:
        # Record before the token leaves: if the line cannot be written, nothing is handed out.
        held = answer.held
        writing = self._recorder.release(authorized, held.token_id, held.upstream_id)
        released = Released(authorized.credential, answer, self._driver.open)
        if writing is not None:
            return self._release_after(writing, released)
        self._gate.served(released.credential.name)
        return released

    async def _release_after(self, writing: Awaitable[None], released: Released) -> Released:
        await writing
        self._gate.served(released.credential.name)
        return released

    def _failed(self, authorized: Authorized, failure: Failure) -> None:
        self._recorder.failed(authorized, failure.kind)
        if failure.kind is Kind.LOGIN_REQUIRED:
            self._login_waiters.note(authorized.credential.grant, authorized.caller)

    def _explained(self, authorized: Authorized, error: BrokerError) -> BrokerError:
        """Return it with the reason why the last login failed, if it asks for one."""
        return self._login_waiters.explained(authorized.credential.grant, error.failure).error()

    # --- what takes time --------------------------------------------------------------------

    def _stuck(self, authorized: Authorized) -> list[str]:
        """Return the entries that wait for somebody, perhaps for another file."""
        due = self._files.due(self._chains.names(authorized.credential))
        return due and [name for name in due if self._driver.view(name).needs_somebody]

    async def _look_and_obtain(
        self, authorized: Authorized, stuck: list[str], deadline: float
    ) -> Released:
        for name in await self._files.changed(stuck):
            if (credential := self._gate.config.credentials.get(name)) is not None:
                # A token that is probably refused goes too, it comes from the old file.
                doubted = self._driver.view(name).doubt is not None
                self._driver.grant_given(credential.grant, drop=doubted)
        # Decide again: much may have changed while we checked files.
        again = self._gate.authorize_instead(authorized, authorized.credential.name)
        answer = self._obtain(again, deadline)
        return answer if isinstance(answer, Released) else await answer

    async def _obtain_settled(self, deciding: Awaitable[Authorized], deadline: float) -> Released:
        return await self._obtained(await deciding, deadline)

    async def _obtained(self, authorized: Authorized, deadline: float) -> Released:
        answer = self.obtain(authorized, deadline)
        return answer if isinstance(answer, Released) else await answer

    async def _counted(self, token_request: TokenRequest, answer: Awaitable[Released]) -> Released:
        outcome = "left"
        try:
            released = await answer
            outcome = "issued"
        except BrokerError as error:
            outcome = error.kind.slug
            raise
        finally:
            self._metrics.answered(token_request.format, outcome)
        return released


def _answer_at(deadline: float) -> float:
    """Return when to answer a caller that gives up at *deadline*."""
    now = asyncio.get_running_loop().time()
    return now + max(deadline - now - _HEAD_START, (deadline - now) / 2)


async def _in_time(flight: asyncio.Future[_T], authorized: Authorized, until: float) -> _T:
    """Wait for a flight until an instant of the loop's clock; the mint always goes on."""
    patience = max(0.0, until - asyncio.get_running_loop().time())
    try:
        async with asyncio.timeout(patience):
            return await flight
    except TimeoutError as error:
        raise BrokerError(
            Kind.TIMED_OUT,
            f'"{authorized.credential.name}" is not ready after {patience:.3g} s, '
            "the mint goes on: ask again",
            retry_after=1.0,
        ) from error
