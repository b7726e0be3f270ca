"""The use case: identify, decide, obtain, record, release; in that order, always.

Orchestrates `gate`, the lifecycle's `driver` and `recording`; knows neither sockets nor providers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from credward.callers.caller import Caller
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Failure, Kind
from credward.formats.registry import ShapeRequest, check_format, shape
from credward.issuing.asking import asker, cache_ttl, find_credential, min_remaining, token_key
from credward.issuing.authorized import Authorized
from credward.issuing.chains import Chains
from credward.issuing.fallbacks import Fallbacks, Skipped
from credward.issuing.gate import Gate, Holder, Peer
from credward.issuing.recording import Recorder
from credward.lifecycle.vocabulary import Reason, TokenKey, View
from credward.logins.waiters import LoginWaiters
from credward.minting.driver import Answer, Driver, Held
from credward.minting.source_files import SourceFiles
from credward.tokens import Secret, Token, TokenRequest

__all__ = ["Issued", "Issuer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """An answer ready to leave; times are Unix seconds, *credential* is the one that served.

    *body* holds the secret: whoever writes it wipes it.
    """

    credential: str
    body: bytearray = field(repr=False)
    content_type: str
    token_id: str
    issued_at: float
    expires_at: float | None
    short: bool


class Issuer:
    """Answers for every door."""

    def __init__(
        self,
        *,
        holder: Holder,
        gate: Gate,
        driver: Driver,
        recorder: Recorder,
        fallbacks: Fallbacks,
        login_waiters: LoginWaiters,
        files: SourceFiles,
    ) -> None:
        self._holder = holder
        self._gate = gate
        self._driver = driver
        self._recorder = recorder
        self._fallbacks = fallbacks
        self._chains = Chains(holder=holder, gate=gate, fallbacks=fallbacks)
        self._login_waiters = login_waiters
        self._files = files
        self._last_asked_by: dict[str, str] = {}

    @property
    def config(self) -> Config:
        """Return the configuration in force."""
        return self._holder.active.config

    def issue(self, peer: Peer, token_request: TokenRequest) -> Issued | asyncio.Future[Issued]:
        """Hand out a token in its shape: at once from memory, else when the flight lands."""
        authorized = self._admit(peer, token_request)
        if stuck := self._stuck(authorized.credential):
            looking = self._look_and_issue(peer, token_request, stuck)
            return asyncio.get_running_loop().create_task(looking)
        return self._issue(peer, authorized)

    def _admit(self, peer: Peer, token_request: TokenRequest) -> Authorized:
        check_format(token_request.format)
        authorized = self._gate.admit("Issue", peer, token_request)
        self._gate.check_destination(authorized)
        return authorized

    def _issue(self, peer: Peer, authorized: Authorized) -> Issued | asyncio.Future[Issued]:
        if not authorized.credential.fallback:
            return self._ask(authorized)
        return self._chains.issue(peer, authorized, self._ask)

    def _stuck(self, credential: CredentialConfig) -> list[str]:
        """Return who of those that may answer waits for somebody, perhaps for another file."""
        names = [credential.name]
        if credential.fallback:
            names = self._fallbacks.names(self.config, credential)
        return [
            name
            for name in names
            if self._files.is_due(name) and self._driver.view(name).state.needs_somebody
        ]

    async def _look_and_issue(
        self, peer: Peer, token_request: TokenRequest, stuck: list[str]
    ) -> Issued:
        for name in await self._files.changed(stuck):
            if (credential := self.config.credentials.get(name)) is not None:
                self._driver.grant_given(credential.grant)
        # Decided anew: much may have happened while files were looked at.
        answer = self._issue(peer, self._admit(peer, token_request))
        return answer if isinstance(answer, Issued) else await answer

    def _ask(self, authorized: Authorized) -> Issued | asyncio.Future[Issued]:
        caller, token_request = authorized.caller, authorized.token_request
        name = authorized.credential.name
        self._last_asked_by[name] = caller.describe()
        refused = token_request.other_than
        if refused is not None and self._driver.holds(name, refused):
            # A report, and an ask for another one.
            self._recorder.rejected(authorized, refused, Reason.UNAUTHORIZED.value)
            self._driver.reject(name, refused, Reason.UNAUTHORIZED)
        return self._obtain(
            authorized,
            lambda key: self._driver.ask(
                key,
                min_remaining=min_remaining(token_request, caller),
                asker=asker(token_request, caller),
                cache_ttl=cache_ttl(token_request, caller),
            ),
        )

    async def refresh(self, peer: Peer, token_request: TokenRequest) -> Held:
        """Mint anew whatever is held; returns what is held then, without handing it out."""
        authorized = self._gate.admit("Issue", peer, token_request)
        name = authorized.credential.name
        before = self._driver.view(name).token_id
        try:
            answer = self._driver.force(token_key(authorized.credential, token_request))
            if not isinstance(answer, Answer):
                answer = await answer
            failure = self._driver.view(name).failure
            if failure is not None and answer.held.token_id == before:
                # The one before is still good for callers, but it is not what was asked for here.
                raise failure.error()
        except BrokerError as error:
            self._recorder.failed(authorized, error.kind)
            raise
        self._recorder.refreshed(authorized, answer.held.token_id, answer.held.upstream_id)
        return answer.held

    def reject(
        self,
        peer: Peer,
        credential: str,
        token_id: str | None,
        reason: Reason,
        until: float | None,
    ) -> None:
        """Note a caller's word that a token was refused where it is used (None: the current one).

        *until*: when it may be used again, in Unix seconds, as far as the caller was told.
        """
        authorized = self._gate.admit("Issue", peer, TokenRequest(credential=credential))
        meant = self._fallbacks.meant(
            self.config, authorized.credential, authorized.caller, token_id
        )
        if meant != authorized.credential.name:
            authorized = self._gate.admit("Issue", peer, TokenRequest(credential=meant))
        current = token_id or self._driver.view(authorized.credential.name).token_id
        self._recorder.rejected(authorized, current, reason.value)
        if current is not None:
            self._driver.reject(authorized.credential.name, current, reason, until)

    def inspect(self, peer: Peer, credential: str) -> CredentialConfig:
        """Return what is configured of one credential to a caller who may look at it."""
        return self._gate.admit("Inspect", peer, TokenRequest(credential=credential)).credential

    def require(self, peer: Peer, action: str) -> Caller:
        """Decide on an action that is about no single credential; raise `denied`."""
        return self._gate.require(action, peer)

    async def require_owner(self, peer: Peer, action: str) -> None:
        """Decide on one of those that owners do, and agents should not; raise `denied`."""
        await self._gate.require_owner(action, peer)

    def resolve(self, name: str) -> CredentialConfig:
        """Return the credential of this name; `-` is the configured default, or the only one."""
        return find_credential(self.config, name)

    def warnings(self) -> list[str]:
        """Return what there is to know about tokens that are held."""
        return self._driver.warnings()

    def view(self, credential: str) -> tuple[View, str | None]:
        """Return the state of a credential and who asked for it last."""
        return self._driver.view(credential), self._last_asked_by.get(credential)

    def unusable(self) -> list[Skipped]:
        """Return the credentials that give no token now, and until when."""
        return self._fallbacks.unusable(self.config)

    def _obtain(
        self, authorized: Authorized, obtain: Callable[[TokenKey], Answer | asyncio.Future[Answer]]
    ) -> Issued | asyncio.Future[Issued]:
        try:
            answer = obtain(token_key(authorized.credential, authorized.token_request))
        except BrokerError as error:
            self._failed(authorized, error.failure)
            raise
        if isinstance(answer, Answer):
            return self._release(authorized, answer)
        return asyncio.get_running_loop().create_task(self._release_later(authorized, answer))

    async def _release_later(
        self, authorized: Authorized, waiting: asyncio.Future[Answer]
    ) -> Issued:
        try:
            answer = await waiting
        except BrokerError as error:
            self._failed(authorized, error.failure)
            raise
        return self._release(authorized, answer)

    def _failed(self, authorized: Authorized, failure: Failure) -> None:
        self._recorder.failed(authorized, failure.kind)
        if failure.kind is Kind.LOGIN_REQUIRED:
            self._login_waiters.note(authorized.credential.grant, authorized.caller)

    def _release(self, authorized: Authorized, answer: Answer) -> Issued:
        held = answer.held
        plain = self._driver.open(held)
        try:
            shaped = shape(
                authorized.token_request.format,
                Token(
                    secret=Secret(plain.decode("ascii")),
                    kind=held.kind,
                    issued_at=held.issued_at,
                    expires_at=held.expires_at,
                    audience=held.audience,
                    upstream_id=held.upstream_id,
                ),
                ShapeRequest(
                    credential=authorized.credential.name,
                    header=authorized.credential.header,
                    env_name=authorized.credential.env_name,
                ),
            )
        finally:
            plain[:] = bytes(len(plain))
        # Recorded before anything leaves: where the line cannot be written, nothing is handed out.
        self._recorder.issued(authorized, held.token_id, held.upstream_id)
        return Issued(
            credential=authorized.credential.name,
            body=shaped.body,
            content_type=shaped.content_type,
            token_id=held.token_id,
            issued_at=held.issued_at,
            expires_at=held.expires_at,
            short=answer.short,
        )
