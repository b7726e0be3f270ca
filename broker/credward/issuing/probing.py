"""Has one question asked of the service that takes a token: authorize, obtain, record, then ask.

`questions` says what is asked, a worker of its own asks, so a service that hangs holds up no mint.
A refused token is not reported to the lifecycle: a question must not change what agents get. One
that is taken ends a doubt, which only people see.
"""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from credward import wire
from credward.callers.peer import Peer
from credward.clock import Clock
from credward.errors import BrokerError, Kind
from credward.issuing.asking import NOTHING
from credward.issuing.authorized import Authorized
from credward.issuing.caller_pace import CallerPace
from credward.issuing.gate import Gate, settled
from credward.issuing.issuer import Issuer
from credward.issuing.questions import (
    base_url_of,
    form_of,
    model_of,
    question_for,
    shown_url,
)
from credward.issuing.released import Released
from credward.tokens import Secret, TokenRequest
from credward.upstream import Reply
from credward.workers.link import ProbeRequest
from credward.workers.pool import WorkerPool
from credward.workers.token_bytes import wipe

__all__ = ["FORMAT", "Prober"]

# What the audit log calls a token that is sent to its service, instead of a format.
FORMAT = "probe"
# The time for a question, the start of its worker included (seconds).
_DEADLINE = 20.0
# Each has a worker of its own, and none of them may crowd out mints.
_MOST = 4


class Prober:
    """Asks, one question at a time for each credential."""

    def __init__(self, *, clock: Clock, gate: Gate, issuer: Issuer, pool: WorkerPool) -> None:
        self._clock = clock
        self._gate = gate
        self._issuer = issuer
        self._pool = pool
        self._asking: set[str] = set()
        # Each question costs money, whichever credential it is about.
        self._pace = CallerPace(clock=clock, whom="services")

    async def probe(
        self, peer: Peer, name: str, wanted: wire.Probe, deadline: float
    ) -> wire.ProbeResult:
        """Send one request with the token of *name*; a mint before that may take until *deadline*.

        It takes the same right as to be handed the token: who has the token can send the request.
        So an agent may ask too, but learns less, and only the credential's own hosts are asked.
        """
        named = TokenRequest(credential=name, format=NOTHING)
        allowed = await settled(self._gate.authorize("Issue", peer, named))
        name = allowed.credential.name
        # All that the configuration lacks is said before anything is minted.
        question_for(allowed.credential, wanted)
        destined = self._destined(allowed, wanted)
        if name in self._asking or len(self._asking) >= _MOST:
            what = f'"{name}" is' if name in self._asking else f"{_MOST} credentials are"
            raise BrokerError(
                Kind.RATE_LIMITED,
                f"{what} being asked about already: ask again after that, which takes at most "
                f"{_DEADLINE:g} s",
                retry_after=1.0,
            )
        self._pace.take(allowed.caller)
        self._asking.add(name)
        try:
            return await self._probe(destined, wanted, deadline)
        finally:
            self._asking.discard(name)

    def _destined(self, allowed: Authorized, wanted: wire.Probe) -> Authorized:
        """Decide again, with the host that is asked, as for a caller that sends the token there."""
        token_request = TokenRequest(
            credential=allowed.credential.name,
            format=FORMAT,
            client_base_url=base_url_of(allowed.credential, wanted),
        )
        asked = msgspec.structs.replace(allowed, token_request=token_request)
        return self._gate.authorize_instead(asked, allowed.credential.name)

    async def _probe(
        self, authorized: Authorized, wanted: wire.Probe, deadline: float
    ) -> wire.ProbeResult:
        # Only the named one: the answer of another in its chain would say nothing about it.
        alone = msgspec.structs.replace(authorized.credential, fallback=())
        authorized = msgspec.structs.replace(authorized, credential=alone)
        answer = self._issuer.obtain(authorized, deadline)
        released = answer if isinstance(answer, Released) else await answer
        # A reload may have changed it meanwhile.
        credential = released.credential
        question = question_for(credential, wanted)
        plain = released.open()
        try:
            request = ProbeRequest(
                credential=credential.name,
                question=question,
                token=Secret(plain.decode("ascii")),
                kind=released.held.kind,
                network=self._gate.config.network,
                now=self._clock.now(),
            )
        finally:
            wipe(plain)
        reply: Reply = await self._pool.probe(request, deadline=_DEADLINE)
        if 0 < reply.status < HTTPStatus.MULTIPLE_CHOICES:
            self._issuer.accepted(credential.name, released.held.token_id)
        return wire.ProbeResult(
            credential=credential.name,
            token_id=released.held.token_id,
            service=form_of(credential).name,
            address=shown_url(question.url),
            model=model_of(credential, wanted),
            region=credential.meaning.region or "",
            **msgspec.structs.asdict(reply),
        )
