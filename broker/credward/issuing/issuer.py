"""The second half of every request: obtain a token for it, record that, release it.

In that order, always, and for every door. Who may is `gate`, when to mint is the lifecycle's
`driver`, which credential stands in for which is `chains`; what the client gets is the door's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import NamedTuple, TypeVar

import msgspec

from credward.callers.peer import Peer
from credward.errors import BrokerError, Failure, Kind
from credward.issuing.asking import NOTHING, asker, cache_ttl, min_remaining, token_key
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

# The daemon answers this much before the caller gives up (seconds): a late answer is no answer.
_HEAD_START = 0.2

_T = TypeVar("_T")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's word that a token was refused where it is used.

    *token_id* None: the one that it was given last. *until*: when it may be used again, in Unix
    seconds, as far as the caller was told.
    """

    token_id: str | None = None
    reason: Reason = Reason.UNAUTHORIZED
    until: float | None = None


class Refreshed(NamedTuple):
    """What is held of a credential after a mint that was asked for outright."""

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
        """Hand out a token: at once from memory, else when the flight lands, or raise."""
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

    def obtain(self, authorized: Authorized, deadline: float) -> Released | Awaitable[Released]:
        """Return the token of an allowed request, recorded; of a chain from who can serve it."""
        if stuck := self._stuck(authorized):
            return self._look_and_obtain(authorized, stuck, deadline)
        return self._obtain(authorized, _answer_at(deadline))

    async def refresh(self, peer: Peer, token_request: TokenRequest, deadline: float) -> Refreshed:
        """Mint anew whatever is held; return what is held then, without handing it out."""
        authorized = await settled(self._gate.authorize("Issue", peer, token_request))
        name = authorized.credential.name
        before = self._driver.view(name).token_id
        try:
            answer = self._driver.force(token_key(authorized.credential, authorized.token_request))
            if not isinstance(answer, Answer):
                answer = await _in_time(answer, authorized, _answer_at(deadline))
            failure = self._driver.view(name).failure
            if failure is not None and answer.held.token_id == before:
                # The one before is still good for callers, but it is not what was asked for here.
                raise failure.error()
        except BrokerError as error:
            self._recorder.failed(authorized, error.kind)
            raise
        self._recorder.refreshed(authorized, answer.held.token_id, answer.held.upstream_id)
        return Refreshed(name, answer.held)

    async def report(self, peer: Peer, credential: str, report: Report) -> None:
        """Take a caller's word that a token was refused where it is used."""
        token_request = TokenRequest(credential=credential, format=NOTHING)
        authorized = await settled(self._gate.authorize("Issue", peer, token_request))
        meant = self._chains.meant(authorized, report.token_id)
        if meant != authorized.credential.name:
            authorized = self._gate.authorize_instead(authorized, meant)
        current = report.token_id or self._driver.view(authorized.credential.name).token_id
        self._recorder.rejected(authorized, current, report.reason.value)
        if current is not None:
            self._driver.reject(authorized.credential.name, current, report.reason, report.until)

    # --- one credential, or a chain of them --------------------------------------------------

    def _obtain(self, authorized: Authorized, until: float) -> Released | Awaitable[Released]:
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
            # A report, and an ask for another one.
            self._recorder.rejected(authorized, refused, Reason.UNAUTHORIZED.value)
            self._driver.reject(name, refused, Reason.UNAUTHORIZED)
        try:
            answer = self._driver.ask(
                token_key(authorized.credential, token_request),
                min_remaining=min_remaining(token_request, caller),
                asker=asker(token_request, caller),
                cache_ttl=cache_ttl(token_request, caller),
            )
        except BrokerError as error:
            self._failed(authorized, error.failure)
            raise
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
            raise
        released = self._release(authorized, answer)
        return released if isinstance(released, Released) else await released

    def _release(self, authorized: Authorized, answer: Answer) -> Released | Awaitable[Released]:
        # Recorded before anything leaves: where the line cannot be written, nothing is handed out.
        held = answer.held
        writing = self._recorder.release(authorized, held.token_id, held.upstream_id)
        released = Released(authorized.credential, answer, self._driver.open)
        return released if writing is None else _after(writing, released)

    def _failed(self, authorized: Authorized, failure: Failure) -> None:
        self._recorder.failed(authorized, failure.kind)
        if failure.kind is Kind.LOGIN_REQUIRED:
            self._login_waiters.note(authorized.credential.grant, authorized.caller)

    # --- what takes its time ----------------------------------------------------------------

    def _stuck(self, authorized: Authorized) -> list[str]:
        """Return who of those that may answer waits for somebody, perhaps for another file."""
        return [
            name
            for name in self._chains.names(authorized.credential)
            if self._files.is_due(name) and self._driver.view(name).state.needs_somebody
        ]

    async def _look_and_obtain(
        self, authorized: Authorized, stuck: list[str], deadline: float
    ) -> Released:
        for name in await self._files.changed(stuck):
            if (credential := self._gate.config.credentials.get(name)) is not None:
                self._driver.grant_given(credential.grant)
        # Decided anew: much may have happened while files were looked at.
        again = self._gate.authorize_instead(authorized, authorized.credential.name)
        answer = self._obtain(again, _answer_at(deadline))
        return answer if isinstance(answer, Released) else await answer

    async def _obtain_settled(self, deciding: Awaitable[Authorized], deadline: float) -> Released:
        answer = self.obtain(await deciding, deadline)
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
    """Return when a caller is answered that gives up at *deadline*."""
    now = asyncio.get_running_loop().time()
    return now + max(deadline - now - _HEAD_START, (deadline - now) / 2)


async def _in_time(flight: asyncio.Future[_T], authorized: Authorized, until: float) -> _T:
    """Wait for a flight, but no longer than the caller does; the mint always goes on."""
    patience = max(0.0, until - asyncio.get_running_loop().time())
    try:
        async with asyncio.timeout(patience):
            return await flight
    except TimeoutError as error:
        raise BrokerError(
            Kind.TIMED_OUT,
            f'"{authorized.credential.name}" is not there after {patience:.3g} s, '
            "the mint goes on: ask again",
            retry_after=1.0,
        ) from error


async def _after(writing: Awaitable[None], released: Released) -> Released:
    await writing
    return released
