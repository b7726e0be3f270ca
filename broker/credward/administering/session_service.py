"""Begins and ends sessions: endpoints that one process has to itself, as long as it lives.

Decides; `daemon.sessions` holds them. A session grants nothing: who asks at its endpoints is
decided for each token, as everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from credward import wire
from credward.administering.endpoint_views import EndpointView
from credward.callers.caller import Ancestor, Caller
from credward.callers.peer import Peer
from credward.config import EndpointConfig
from credward.config.endpoints import unfit
from credward.errors import BrokerError, Kind
from credward.issuing.asking import NOTHING
from credward.issuing.gate import Gate, settled
from credward.issuing.recording import Recorder
from credward.settings.doors import DOORS, WITH_SECRET
from credward.tokens import TokenRequest

__all__ = ["SessionKeeper", "SessionOwner", "SessionService", "SessionView"]

# Of one session: more than there are doors. Of one user: each takes two sockets.
_MOST = 8
_MOST_OF_USER = 128
_OPENED = "opened"


class SessionOwner(msgspec.Struct, frozen=True, kw_only=True):
    """The process that has a session, and that it ends with; *start_time* as in `Process`."""

    uid: int
    pid: int
    start_time: int

    def is_above(self, caller: Caller) -> bool:
        """Whether *caller* is this process, or runs below it."""
        chain = (Ancestor(caller.pid or 0, caller.start_time or 0), *caller.ancestors)
        return Ancestor(self.pid, self.start_time) in chain


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session as it can be shown."""

    id: str
    owner: SessionOwner
    endpoints: tuple[EndpointView, ...]


class SessionKeeper(Protocol):
    """Holds the sessions under way."""

    @property
    def works(self) -> bool:
        """Whether endpoints work here: the kernel says whose a socket on loopback is."""
        ...

    async def begin(self, owner: SessionOwner, endpoints: Sequence[EndpointConfig]) -> SessionView:
        """Open endpoints for a process; raise `BrokerError` if one cannot be opened."""
        ...

    async def end(self, session_id: str) -> None:
        """Close the endpoints of a session; nothing if it has ended."""
        ...

    def views(self) -> list[SessionView]:
        """Return all of them."""
        ...


class SessionService:
    """What a process can do about its own session. *keeper* returns who holds them."""

    def __init__(
        self, *, gate: Gate, recorder: Recorder, keeper: Callable[[], SessionKeeper]
    ) -> None:
        self._gate = gate
        self._recorder = recorder
        self._keeper = keeper

    async def begin(self, peer: Peer, start: wire.SessionStart) -> wire.Session:
        """Open the endpoints that the caller may have, until its process ends.

        Each credential is decided on as if a token was asked for, before any port opens.
        """
        if not self._keeper().works:
            raise BrokerError(
                Kind.BAD_REQUEST,
                "endpoints work on Linux only: elsewhere the kernel does not tell who connects; "
                "use credward get",
            )
        if not 0 < len(start.endpoints) <= _MOST:
            raise BrokerError(Kind.BAD_REQUEST, f"a session has 1 to {_MOST} endpoints")
        endpoints = [await self._wanted(peer, each) for each in start.endpoints]
        owner = _owner(peer.identify())
        self._check_number(owner.uid, len(endpoints))
        session = await self._keeper().begin(owner, endpoints)
        known = self._gate.config.credentials
        return wire.Session(
            id=session.id, endpoints=[each.on_the_wire(known) for each in session.endpoints]
        )

    async def end(self, peer: Peer, session_id: str) -> None:
        """End a session: the caller's own; another one is for owners."""
        caller = self._gate.require("Inspect", peer)
        found = next((each for each in self._keeper().views() if each.id == session_id), None)
        if found is None or not found.owner.is_above(caller):
            await self._gate.require_owner("Manage", peer)
        await self._keeper().end(session_id)

    async def _wanted(self, peer: Peer, asked: wire.SessionEndpoint) -> EndpointConfig:
        door = next((each for each in DOORS if each == asked.door), None)
        if door is None:
            raise BrokerError(
                Kind.BAD_REQUEST, f'no door "{asked.door[:32]}": it is one of {", ".join(DOORS)}'
            )
        token_request = TokenRequest(credential=asked.credential, format=NOTHING)
        authorized = await settled(self._gate.authorize("Issue", peer, token_request))
        credential = authorized.credential
        if (problem := unfit(door, credential)) is not None:
            raise BrokerError(Kind.BAD_REQUEST, f"{problem}: choose another door")
        if door in WITH_SECRET and authorized.caller.uid != os.geteuid():
            raise BrokerError(
                Kind.BAD_REQUEST,
                f"the token of door {door} is in a file that only the daemon's own user can read: "
                "choose a door without one, such as aws-imds",
            )
        at_the_door = msgspec.structs.replace(token_request, format=door)
        opened = msgspec.structs.replace(authorized, token_request=at_the_door)
        self._recorder.managed(opened, _OPENED)
        return EndpointConfig(door=door, credentials=(credential.name,))

    def _check_number(self, uid: int, more: int) -> None:
        held = sum(len(each.endpoints) for each in self._keeper().views() if each.owner.uid == uid)
        if held + more > _MOST_OF_USER:
            raise BrokerError(
                Kind.RATE_LIMITED,
                f"your commands have {held} endpoints, and {_MOST_OF_USER} is the most: end one of "
                "them (credward status --endpoints shows them)",
            )


def _owner(caller: Caller) -> SessionOwner:
    if caller.pid is None or caller.start_time is None:
        raise BrokerError(
            Kind.BAD_REQUEST,
            "the daemon cannot see the process that asks, so it could not tell when it ends: "
            "ask where the daemon runs",
        )
    return SessionOwner(uid=caller.uid, pid=caller.pid, start_time=caller.start_time)
