"""What can be shown: the states of credentials and grants, keys, counters; never a secret.

Shown to callers whom policy allows; changes nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any, Protocol

from credward import __version__, wire
from credward.administering.endpoint_views import EndpointView
from credward.administering.grant_service import GrantService
from credward.administering.sink_views import SinkView
from credward.callers.askers import Asker, asker_of
from credward.callers.caller import Ancestor, Caller
from credward.callers.peer import Peer
from credward.clock import Clock
from credward.config import CredentialConfig
from credward.config.sources import kept_elsewhere, logins_behind
from credward.errors import BrokerError, Failure, Kind
from credward.grants.grant_record import GrantView
from credward.issuing.asking import NOTHING
from credward.issuing.authorized import Authorized
from credward.issuing.fallbacks import Fallbacks, Skipped
from credward.issuing.gate import Gate, settled
from credward.issuing.metrics import Metrics, Sample
from credward.lifecycle.vocabulary import State
from credward.minting.driver import Driver
from credward.tokens import TokenRequest

__all__ = ["ProcessFacts", "StatusService"]

# The state of every credential while no token is handed out.
_LOCKED = "locked"


class ProcessFacts(Protocol):
    """What the process can tell about itself and what it keeps."""

    def attestation(self, caller: Caller) -> str:
        """Return how well *caller* and the served users can be attested."""
        ...

    async def wait_for_store(self) -> None:
        """Wait a moment until what the store holds is known: just after the start it is not."""
        ...

    def locked(self) -> bool:
        """Return whether the owner locked the store."""
        ...

    def store(self) -> str:
        """Return where the store's key comes from."""
        ...

    def store_failure(self) -> Failure | None:
        """Return why the store cannot be opened, None if it is open or was not tried."""
        ...

    def audit_failure(self) -> Failure | None:
        """Return why the audit log is not complete or not written, None if all is well."""
        ...

    async def edited(self) -> list[str]:
        """Return the files of the configuration that changed since it was read."""
        ...

    def policy_epoch(self) -> str:
        """Return a digest of the policy in force."""
        ...

    def warnings(self, viewer: Caller) -> list[str]:
        """Return what *viewer* should know."""
        ...

    def hardening(self) -> str:
        """Return which parts of the hardening took effect."""
        ...

    def folder(self, process: Ancestor) -> str | None:
        """Return where a process works, None if that is unknown."""
        ...

    def gauges(self) -> list[Sample]:
        """Return the current gauges."""
        ...

    def refusal(self, credential: CredentialConfig) -> Failure | None:
        """Return why a stored secret is not used for *credential*, None if it may be used."""
        ...

    def endpoints(self) -> list[EndpointView]:
        """Return the endpoints on loopback."""
        ...

    def sinks(self) -> list[SinkView]:
        """Return the files that are kept fresh."""
        ...

    def public_key(self, credential: CredentialConfig) -> dict[str, Any]:
        """Return the public key of a `local` credential, as a JWK."""
        ...


class StatusService:
    """The daemon as seen by callers who may look."""

    def __init__(
        self,
        *,
        clock: Clock,
        gate: Gate,
        driver: Driver,
        fallbacks: Fallbacks,
        grants: GrantService,
        metrics: Metrics,
        facts: ProcessFacts,
    ) -> None:
        self._clock = clock
        self._gate = gate
        self._driver = driver
        self._fallbacks = fallbacks
        self._grants = grants
        self._metrics = metrics
        self._facts = facts
        self._started_at = clock.now()

    async def statuses(self, peer: Peer) -> wire.StatusList:
        """Return the states of all credentials."""
        caller = self._gate.require("Inspect", peer)
        await self._facts.wait_for_store()
        edited = await self._facts.edited()
        config = self._gate.config
        chosen = self._gate.chosen(caller)
        locked = self._facts.locked()
        grants = [self._grant_status(*each, locked=locked) for each in self._grants.views()]
        by_name = {each.name: each for each in grants}
        failed = self._facts.store_failure()
        unrecorded = self._facts.audit_failure()
        return wire.StatusList(
            version=__version__,
            now=self._clock.now(),
            pid=os.getpid(),
            started_at=self._started_at,
            default=config.default,
            active=chosen.credential.name if chosen.credential else None,
            active_because=chosen.because,
            attestation=self._facts.attestation(caller),
            hardening=self._facts.hardening(),
            credentials=[
                self._status(each, by_name.get(each.grant), caller)
                for each in config.credentials.values()
            ],
            warnings=[
                *config.warnings,
                *self._driver.warnings(),
                *self._facts.warnings(caller),
                *([unrecorded.message] if unrecorded else []),
            ],
            grants=grants,
            sinks=[each.on_the_wire() for each in self._facts.sinks()],
            locked=locked,
            store=self._facts.store(),
            sources=[
                wire.ConfigSource(path=str(path), digest=digest)
                for path, digest in zip(config.sources, config.digests, strict=False)
            ],
            store_failure=wire.Failure.of(failed) if failed else None,
            audit_failure=wire.Failure.of(unrecorded) if unrecorded else None,
            policy_epoch=self._facts.policy_epoch(),
            edited=edited,
            unusable=[_unusable(each) for each in self._fallbacks.unusable(config)],
        )

    def endpoints(self, peer: Peer) -> wire.EndpointList:
        """Return the endpoints on loopback; where their secrets are, but no secret."""
        self._gate.require("Inspect", peer)
        known = self._gate.config.credentials
        return wire.EndpointList(
            endpoints=[each.on_the_wire(known) for each in self._facts.endpoints()]
        )

    def health(self) -> wire.Health:
        """Answer as long as the process lives (liveness)."""
        return wire.Health(version=__version__, pid=os.getpid(), started_at=self._started_at)

    async def jwks(self, peer: Peer, credential: str) -> wire.Jwks:
        """Return the public keys (RFC 7517) that verify the tokens of a `local` credential."""
        asked = TokenRequest(credential=credential, format=NOTHING)
        found: Authorized = await settled(self._gate.authorize("Inspect", peer, asked))
        config = found.credential
        if config.provider != "local":
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{config.name}" is minted by {config.provider}, whose keys are not here: '
                "get them from its issuer",
            )
        return wire.Jwks(keys=[self._facts.public_key(config)])

    async def last_words(self, peer: Peer, credential: str) -> wire.LastWords:
        """Return what the program behind the last failure said; for owners, not for agents."""
        asked = TokenRequest(credential=credential, format=NOTHING)
        found: Authorized = await settled(self._gate.authorize("Manage", peer, asked))
        failure = self._driver.view(found.credential.name).failure
        return wire.LastWords(line="" if failure is None else failure.said)

    def metrics(self) -> str:
        """Return counters and gauges in the Prometheus text format."""
        states = Counter(self._driver.view(name).state for name in self._gate.config.credentials)
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

    def _status(
        self, config: CredentialConfig, grant: wire.GrantStatus | None, viewer: Caller
    ) -> wire.CredentialStatus:
        view = self._driver.view(config.name)
        state = view.state
        failed = view.failure and self._grants.explained(config.grant, view.failure)
        failure = wire.Failure.of(failed) if failed else None
        if state is State.EMPTY and failure is None and grant is not None and grant.failure:
            # Nobody has asked yet, but we know what the answer would be.
            state, failure = State.PARKED, grant.failure
        if state is State.EMPTY and failure is None and (refused := self._facts.refusal(config)):
            state, failure = State.PARKED, wire.Failure.of(refused)
        token = view.token_id and self._driver.facts(config.name, view.token_id)
        asker, folder = self._asker(self._metrics.askers.get(config.name), viewer)
        denial = self._gate.last_denial(config.name)
        denied, denied_in = self._asker(denial.caller if denial else None, viewer)
        ours = denial is not None and denial.caller.uid == viewer.uid
        return wire.CredentialStatus(
            name=config.name,
            provider=config.provider,
            grant=config.grant,
            state=_LOCKED if self._facts.locked() else state.value,
            token_id=view.token_id,
            audience=token.audience if token else None,
            upstream_id=token.upstream_id if token else None,
            issued_at=view.issued_at,
            expires_at=view.expires_at,
            refresh_at=view.refresh_at,
            last_asked_at=view.last_asked_at,
            last_asked_by=None if asker is None else asker.name,
            last_asked_in=folder,
            last_asked_pid=asker.process.pid if asker is not None and asker.process else None,
            failure=failure,
            doubt=wire.Failure.of(view.doubt) if view.doubt else None,
            denied_at=denial.at if denial else None,
            denied_to=denied.name if denied else None,
            denied_in=denied_in,
            denied_by=denial.rule if denial and ours else None,
            denied_last=denial is not None and denial.last,
            denied_because=denial.message if denial and ours else None,
            life=view.life,
            logins=list(logins_behind(self._gate.config, config)),
            kept_by=list(kept_elsewhere(self._gate.config, config)),
            login_ends_at=grant.ends_at if grant else None,
            asks=self._metrics.asks.get(config.name, 0),
            mints=view.mints,
            failures=view.failures,
            waits=view.waits,
            keys=view.keys,
            base_urls=list(config.base_urls),
        )

    def _grant_status(
        self, view: GrantView, provider: str, credentials: tuple[str, ...], *, locked: bool
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
        last = self._grants.failed_login(view.name)
        return wire.GrantStatus(
            name=view.name,
            provider=provider,
            credentials=list(credentials),
            state=state,
            account=view.account,
            given_at=view.given_at,
            ends_at=view.ends_at,
            extended_at=view.extended_at,
            rotations=view.generation,
            ambiguous_at=view.ambiguous_at,
            parked_at=view.parked_at,
            failure=wire.Failure.of(view.failure) if view.failure else None,
            login_failure=wire.Failure.of(last.failure) if last else None,
            login_failed_at=last.at if last else None,
            unsaved=view.unsaved,
        )

    def _asker(self, caller: Caller | None, viewer: Caller) -> tuple[Asker | None, str | None]:
        """Return who asked and where it works; other users do not see the latter."""
        if caller is None:
            return None, None
        asker = asker_of(caller)
        if asker.process is None or caller.uid != viewer.uid:
            return asker, None
        return asker, self._facts.folder(asker.process)


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
