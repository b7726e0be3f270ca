"""What the socket API asks of this process beyond tokens: states, health, reload, metrics.

Fulfils `servers.unix_api.routes.Service`; decisions and tokens stay with `issuing`.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from credward import __version__, wire
from credward.audit import AuditLog
from credward.clock import Clock
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Kind
from credward.issuing.issuer import Issued, Issuer, Peer
from credward.lifecycle.vocabulary import State
from credward.tokens import TokenRequest

__all__ = ["BrokerService"]


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
        reports: Callable[[], dict[str, str]],
        gauges: Callable[[], dict[str, float]],
    ) -> None:
        self._clock = clock
        self._issuer = issuer
        self._audit = audit
        self._reload = reload
        self._public_key = public_key
        self._reports = reports
        self._gauges = gauges
        self._answers: Counter[tuple[str, str]] = Counter()
        self._started_at = clock.now()
        self.stopping = False

    def issue(self, peer: Peer, token_request: TokenRequest) -> Issued | Awaitable[Issued]:
        """Hand out a token."""
        try:
            return self._issuer.issue(peer, token_request)
        except BrokerError as error:
            self._answers[token_request.format, error.kind.slug] += 1
            raise
        finally:
            self._answers[token_request.format, "asked"] += 1

    async def refresh(self, peer: Peer, credential: str, timeout: float) -> wire.RefreshResult:
        """Mint anew and tell of the new token, without handing it out."""
        token_request = TokenRequest(credential=credential, format="token", timeout=timeout)
        answer = self._issuer.refresh(peer, token_request)
        issued = answer if isinstance(answer, Issued) else await asyncio.wait_for(answer, timeout)
        return wire.RefreshResult(
            credential=self._issuer.resolve(credential).name,
            token_id=issued.token_id,
            issued_at=issued.issued_at,
            expires_at=issued.expires_at,
        )

    def rejected(self, peer: Peer, credential: str, token_id: str | None) -> None:
        """Note that upstream refused a token."""
        self._issuer.reject(peer, credential, token_id)

    def statuses(self, peer: Peer) -> wire.StatusList:
        """Tell the states of all credentials that the caller may see."""
        self._issuer.require(peer, "Inspect")
        config = self._issuer.active.config
        return wire.StatusList(
            version=__version__,
            now=self._clock.now(),
            pid=os.getpid(),
            started_at=self._started_at,
            credentials=[self._status(each) for each in config.credentials.values()],
            warnings=list(config.warnings),
            **self._reports(),
        )

    def reload(self, peer: Peer) -> wire.ReloadResult:
        """Read configuration and policy again; on error the old ones stay and the error says so."""
        self._issuer.require(peer, "Manage")
        config = self._reload()
        return wire.ReloadResult(
            credentials=sorted(config.credentials), warnings=list(config.warnings)
        )

    def health(self) -> wire.Health:
        """Answer as long as the process lives (liveness)."""
        return wire.Health(
            version=__version__, pid=os.getpid(), uptime=self._clock.now() - self._started_at
        )

    def ready(self) -> wire.Ready:
        """Say whether requests should be sent here; the state of upstream is no part of it."""
        reasons = ["stopping"] if self.stopping else []
        return wire.Ready(ready=not reasons, reasons=reasons)

    def jwks(self, peer: Peer, credential: str) -> dict[str, Any]:
        """Return the public keys (RFC 7517) that verify the tokens of a `local` credential."""
        self._issuer.require(peer, "Inspect", credential)
        config = self._issuer.resolve(credential)
        if config.provider != "local":
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{config.name}" is minted by {config.provider}, which has no keys here: '
                "ask its issuer for them",
            )
        return {"keys": [self._public_key(config)]}

    def audit(self, peer: Peer, after: str | None) -> bytes:
        """Return audit lines, newest last."""
        self._issuer.require(peer, "Inspect")
        return self._audit.after(after)

    def metrics(self) -> dict[str, float]:
        """Return counters and gauges by name; no label holds a secret."""
        states = Counter(
            str(self._issuer.view(name)[0].state) for name in self._issuer.active.config.credentials
        )
        return {
            **self._gauges(),
            **{f'credentials{{state="{state}"}}': states[str(state)] for state in State},
            **{
                f'answers_total{{format="{shape}",outcome="{outcome}"}}': count
                for (shape, outcome), count in self._answers.items()
            },
        }

    def _status(self, config: CredentialConfig) -> wire.CredentialStatus:
        view, asked_by = self._issuer.view(config.name)
        failure = view.failure
        return wire.CredentialStatus(
            name=config.name,
            provider=config.provider,
            grant=config.grant,
            state=str(view.state),
            token_id=view.token_id,
            issued_at=view.issued_at,
            expires_at=view.expires_at,
            refresh_at=view.refresh_at,
            retry_at=view.retry_at,
            last_asked_at=view.last_asked_at,
            last_asked_by=asked_by,
            failure=wire.Failure(
                kind=failure.kind.slug, message=failure.message, recovery=str(failure.recovery)
            )
            if failure
            else None,
            mints=view.mints,
            failures=view.failures,
            waits=view.waits,
            keys=view.keys,
            base_urls=list(config.base_urls),
        )
