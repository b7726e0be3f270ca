"""What the socket API asks of this process beyond tokens: states, health, reload, metrics.

Fulfils `doors.unix_api.routes.Service`; decisions and tokens stay with `issuing`.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from credward import __version__, wire
from credward.administering.grant_service import GrantService
from credward.audit import AuditLog
from credward.callers.caller import Caller
from credward.clock import Clock
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Failure, Kind
from credward.formats.registry import FORMATS
from credward.grants.grant_record import GrantView
from credward.issuing.fallbacks import Skipped
from credward.issuing.gate import Peer
from credward.issuing.issuer import Issued, Issuer
from credward.issuing.metrics import Metrics, Sample
from credward.lifecycle.vocabulary import Reason, State
from credward.tokens import TokenRequest

__all__ = ["BrokerService"]

# The state of every credential while nothing is handed out.
_LOCKED = "locked"


class ProcessFacts(Protocol):
    """What the process can tell of itself."""

    def attestation(self, caller: Caller) -> str:
        """Return how well *caller*, and the users that are served, can be seen."""
        ...

    def locked(self) -> bool:
        """Return whether the owner locked the store."""
        ...

    def store(self) -> str:
        """Return where the store's key comes from."""
        ...

    def warnings(self) -> list[str]:
        """Return what people should know."""
        ...

    def hardening(self) -> str:
        """Return what of the hardening took effect."""
        ...

    def gauges(self) -> list[Sample]:
        """Return what is worth a gauge right now."""
        ...


class BrokerService:
    """The API's view of the daemon."""

    def __init__(
        self,
        *,
        clock: Clock,
        issuer: Issuer,
        audit: AuditLog,
        reload: Callable[[], Config],
        public_key: Callable[[CredentialConfig], dict[str, Any]],
        facts: ProcessFacts,
        grants: GrantService,
        refusal: Callable[[CredentialConfig], Failure | None],
    ) -> None:
        self._clock = clock
        self._issuer = issuer
        self._audit = audit
        self._reload = reload
        self._public_key = public_key
        self._facts = facts
        self._grants = grants
        self._refusal = refusal
        self._metrics = Metrics()
        self._started_at = clock.now()
        self.stopping = False

    def issue(self, peer: Peer, token_request: TokenRequest) -> Issued | Awaitable[Issued]:
        """Hand out a token."""
        try:
            answer = self._issuer.issue(peer, token_request)
        except BrokerError as error:
            self._metrics.answered(_label(token_request), error.kind.slug)
            raise
        if isinstance(answer, Issued):
            self._metrics.answered(_label(token_request), "issued")
            return answer
        answer.add_done_callback(lambda done: self._count(token_request, done))
        return answer

    async def refresh(self, peer: Peer, credential: str, timeout: float) -> wire.RefreshResult:  # noqa: ASYNC109 - the caller's deadline, enforced by the door
        """Mint anew and tell of the new token, without handing it out."""
        token_request = TokenRequest(credential=credential, timeout=timeout)
        held = await self._issuer.refresh(peer, token_request)
        return wire.RefreshResult(
            credential=self._issuer.resolve(credential).name,
            token_id=held.token_id,
            issued_at=held.issued_at,
            expires_at=held.expires_at,
        )

    def rejected(self, peer: Peer, credential: str, report: wire.RejectedReport) -> None:
        """Note that a token was refused where it is used."""
        reason = Reason(report.reason)
        self._issuer.reject(peer, credential, report.token_id, reason, report.until)

    def statuses(self, peer: Peer) -> wire.StatusList:
        """Tell the states of all credentials."""
        caller = self._issuer.require(peer, "Inspect")
        config = self._issuer.config
        locked = self._facts.locked()
        grants = [_grant_status(*each, locked=locked) for each in self._grants.views()]
        by_name = {each.name: each for each in grants}
        return wire.StatusList(
            version=__version__,
            now=self._clock.now(),
            pid=os.getpid(),
            started_at=self._started_at,
            default=config.default,
            attestation=self._facts.attestation(caller),
            hardening=self._facts.hardening(),
            credentials=[
                self._status(each, by_name.get(each.grant)) for each in config.credentials.values()
            ],
            warnings=[*config.warnings, *self._issuer.warnings(), *self._facts.warnings()],
            grants=grants,
            locked=locked,
            store=self._facts.store(),
            unusable=[_unusable(each) for each in self._issuer.unusable()],
        )

    async def reload(self, peer: Peer) -> wire.ReloadResult:
        """Read configuration and policy again; on error the old ones stay and the error says so."""
        await self._issuer.require_owner(peer, "Manage")
        config = self._reload()
        return wire.ReloadResult(
            credentials=sorted(config.credentials),
            sources=[str(source) for source in config.sources],
            warnings=list(config.warnings),
        )

    def health(self) -> wire.Health:
        """Answer as long as the process lives (liveness)."""
        return wire.Health(version=__version__, pid=os.getpid(), started_at=self._started_at)

    def ready(self) -> wire.Ready:
        """Say whether requests should be sent here; the state of upstream is no part of it."""
        reasons = ["stopping"] if self.stopping else []
        return wire.Ready(ready=not reasons, reasons=reasons)

    def jwks(self, peer: Peer, credential: str) -> dict[str, Any]:
        """Return the public keys (RFC 7517) that verify the tokens of a `local` credential."""
        config = self._issuer.inspect(peer, credential)
        if config.provider != "local":
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{config.name}" is minted by {config.provider}, which has no keys here: '
                "ask its issuer for them",
            )
        return {"keys": [self._public_key(config)]}

    def audit(self, peer: Peer, after: str | None) -> bytes:
        """Return audit lines as NDJSON, oldest first."""
        self._issuer.require(peer, "Inspect")
        return self._audit.after(after)

    def metrics(self) -> str:
        """Return counters and gauges in the Prometheus text format."""
        states = Counter(
            self._issuer.view(name)[0].state for name in self._issuer.config.credentials
        )
        return self._metrics.render(
            [
                *self._facts.gauges(),
                *(
                    Sample(
                        name="credentials",
                        help="Credentials by state",
                        value=float(states[state]),
                        labels=(("state", state.value),),
                    )
                    for state in State
                ),
            ]
        )

    def _count(self, token_request: TokenRequest, done: asyncio.Future[Issued]) -> None:
        if done.cancelled():
            self._metrics.answered(_label(token_request), "left")
        elif isinstance(failure := done.exception(), BrokerError):
            self._metrics.answered(_label(token_request), failure.kind.slug)
        else:
            self._metrics.answered(_label(token_request), "issued")

    def _status(
        self, config: CredentialConfig, grant: wire.GrantStatus | None
    ) -> wire.CredentialStatus:
        view, asked_by = self._issuer.view(config.name)
        state = view.state
        failure = wire.Failure.of(view.failure) if view.failure else None
        if state is State.EMPTY and failure is None and grant is not None and grant.failure:
            # Nobody has asked yet, but it is known what would be answered.
            state, failure = State.PARKED, grant.failure
        if state is State.EMPTY and failure is None and (refused := self._refusal(config)):
            state, failure = State.PARKED, wire.Failure.of(refused)
        return wire.CredentialStatus(
            name=config.name,
            provider=config.provider,
            grant=config.grant,
            state=_LOCKED if self._facts.locked() else state.value,
            token_id=view.token_id,
            issued_at=view.issued_at,
            expires_at=view.expires_at,
            refresh_at=view.refresh_at,
            last_asked_at=view.last_asked_at,
            last_asked_by=asked_by,
            failure=failure,
            life=view.life,
            login_ends_at=grant.ends_at if grant else None,
            mints=view.mints,
            failures=view.failures,
            waits=view.waits,
            keys=view.keys,
            base_urls=list(config.base_urls),
        )


def _grant_status(
    view: GrantView, provider: str, credentials: tuple[str, ...], *, locked: bool
) -> wire.GrantStatus:
    if locked:
        state = _LOCKED
    elif view.failure is not None:
        state = "needs-login"
    elif view.untried:
        state = "untried"
    elif view.ambiguous_at is not None:
        state = "ambiguous"
    else:
        state = "none" if view.given_at is None else "valid"
    return wire.GrantStatus(
        name=view.name,
        provider=provider,
        credentials=list(credentials),
        state=state,
        account=view.account,
        given_at=view.given_at,
        ends_at=view.ends_at,
        rotations=view.generation,
        ambiguous_at=view.ambiguous_at,
        parked_at=view.parked_at,
        failure=wire.Failure.of(view.failure) if view.failure else None,
        unsaved=view.unsaved,
    )


def _unusable(unusable: Skipped) -> wire.Unusable:
    return wire.Unusable(
        credential=unusable.credential,
        kind=unusable.state.value,
        reason=unusable.reason,
        recovery=unusable.failure.recovery.value,
        since=unusable.since,
        until=unusable.until,
        remaining=unusable.remaining,
    )


def _label(token_request: TokenRequest) -> str:
    # A caller's own text never becomes a label: that would be a way to fill the memory.
    return token_request.format if token_request.format in FORMATS else "unknown"
