"""How sinks ask: as the daemon itself, for its owner, by the one path of every door.

Also what they have to know about tokens between two questions, so that they ask only for one that
they write.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Iterable

from credward.callers.peer import Peer
from credward.config import Config, CredentialConfig, SinkConfig
from credward.errors import BrokerError, Failure, Kind
from credward.formats.aws_keys import MIN_REMAINING
from credward.issuing.gate import Gate
from credward.issuing.issuer import Issuer
from credward.issuing.released import Released
from credward.lifecycle.vocabulary import TokenKey
from credward.minting.driver import Driver
from credward.policy.engine import PolicyEngine, Resource
from credward.tokens import TokenRequest

__all__ = ["DOOR", "SinkAsking", "least_remaining", "not_permitted"]

# The word for policies and the audit log.
DOOR = "file"
# As long as any mint takes (seconds); nobody waits.
_PATIENCE = 300.0
# Claude Code and the SDKs of Anthropic look for another token when 120 s are left, and the one for
# TypeScript fails when 30 s are left: so there is another one before (seconds).
_ANTHROPIC = 300.0


def least_remaining(sink: SinkConfig) -> float:
    """Return the life that the token in a sink should always have left, in seconds.

    The lifecycle renews a token at a quarter of its life at the latest, and at half of it for any
    larger wish. One that is presented once is renewed as often as it goes: half its life.
    """
    if sink.single_use:
        return math.inf
    # A file tells botocore no end; so a program that starts has as long as from any other door.
    return {"anthropic-profile": _ANTHROPIC, "aws-credentials": MIN_REMAINING}.get(sink.format, 0.0)


def not_permitted(
    config: Config, policy: PolicyEngine, peer: Peer
) -> Iterable[tuple[SinkConfig, str]]:
    """Yield the sinks that policy forbids, or does not permit, with the reason; records nothing."""
    caller = peer.identify()
    for sink in config.sinks:
        provider = config.credentials[sink.credential].provider
        resource = Resource(credential=sink.credential, provider=provider)
        decision = policy.decide(caller, "Issue", resource)
        if not decision.allowed:
            yield sink, decision.reason


class SinkAsking:
    """Asks for the tokens of all sinks; *peer* is this process at the door `file`."""

    def __init__(self, *, peer: Peer, gate: Gate, issuer: Issuer, driver: Driver) -> None:
        self._peer = peer
        self._gate = gate
        self._issuer = issuer
        self._driver = driver

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._gate.config

    @property
    def locked(self) -> bool:
        """Whether nothing may be handed out."""
        return self._gate.locked

    def decide(self, sink: SinkConfig) -> Failure | None:
        """Return why *sink* is denied, None if it is not; a denial is recorded."""
        try:
            self._gate.authorize("Issue", self._peer, self._request(sink))
        except BrokerError as error:
            return error.failure if error.kind is Kind.DENIED else None
        return None

    async def issue(self, sink: SinkConfig) -> Released:
        """Return the token to write; decided and recorded as at every door."""
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        answer = self._issuer.issue(self._peer, self._request(sink), deadline)
        return answer if isinstance(answer, Released) else await answer

    def current(self, credential: CredentialConfig) -> str | None:
        """Return the id of the token that is handed out now, None if there is none."""
        held = self._driver.held(TokenKey(credential.name, credential.epoch))
        return None if held is None else held.token_id

    def holds(self, credential: str, token_id: str) -> bool:
        """Return whether this token is handed out now."""
        return self._driver.holds(credential, token_id)

    def failure(self, credential: CredentialConfig) -> Failure | None:
        """Return why no newer token of *credential* can be had, None if nothing says so."""
        return self._driver.view(credential.name).failure

    def look(self, sink: SinkConfig, credential: CredentialConfig) -> str:
        """Return a digest of how a token of *credential* is written into *sink*."""
        words = (
            credential.name,
            credential.epoch,
            sink.format,
            sink.mode,
            credential.env_name,
            credential.base_urls,
        )
        return hashlib.sha256(repr(words).encode()).hexdigest()[:16]

    @staticmethod
    def _request(sink: SinkConfig) -> TokenRequest:
        return TokenRequest(
            credential=sink.credential,
            format=sink.format,
            min_remaining=least_remaining(sink),
            timeout=_PATIENCE,
            claims="none",
        )
