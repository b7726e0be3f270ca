"""The sessions under way: endpoints of single processes, closed when their process ends.

A session whose process still lives when a daemon starts goes on, at the same ports and with the
same secrets: its clients read both once. Who may have one is decided by
`administering.session_service`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from credward.administering.endpoint_views import EndpointView
from credward.administering.session_service import SessionOwner, SessionView
from credward.config import EndpointConfig
from credward.daemon.held_endpoint import RETRY, HeldEndpoint
from credward.doors.endpoint import OpenedEndpoint
from credward.errors import BrokerError, Kind
from credward.processes import ProcessId, boot_id, hold
from credward.store.session_files import EndpointRecord, SessionFiles, SessionRecord

__all__ = ["MakeForSession", "Sessions"]

_log = logging.getLogger(__name__)

_ID_BYTES = 8

# Opens the sockets of an endpoint: at a port (0: any), its secret in a file, for one user.
MakeForSession = Callable[[EndpointConfig, int, Path, int], OpenedEndpoint]


class _Session:
    """One of them; *handle* is that of its process. *begun*: all that belongs to it is there."""

    def __init__(
        self, name: str, owner: SessionOwner, handle: int, endpoints: Sequence[HeldEndpoint]
    ) -> None:
        self.id = name
        self.owner = owner
        self.handle = handle
        self.endpoints = endpoints
        self.begun = False

    def view(self) -> SessionView:
        return SessionView(
            id=self.id, owner=self.owner, endpoints=tuple(each.view() for each in self.endpoints)
        )


class Sessions:
    """*make* opens the sockets of one endpoint, *spawn* runs what closes them.

    *works* as in `SessionKeeper`.
    """

    def __init__(
        self,
        *,
        files: SessionFiles,
        make: MakeForSession,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        works: bool,
    ) -> None:
        self.works = works
        self._files = files
        self._make = make
        self._spawn = spawn
        self._held: dict[str, _Session] = {}

    async def begin(self, owner: SessionOwner, endpoints: Sequence[EndpointConfig]) -> SessionView:
        """Open *endpoints* for a process; raise `BrokerError` if one cannot be opened."""
        handle = hold(ProcessId(owner.pid, owner.start_time))
        if handle is None:
            raise _has_ended(owner)
        session = self._hold(secrets.token_hex(_ID_BYTES), owner, handle, endpoints)
        try:
            await self._open(session)
        except BaseException:
            await self.end(session.id)
            # If its process ended meanwhile, not all of this was there yet.
            await self._undo(session)
            raise
        session.begun = True
        return session.view()

    async def end(self, session_id: str) -> None:
        """Close the endpoints of a session, and remove their secrets; nothing if it has ended."""
        session = self._held.pop(session_id, None)
        if session is None:
            return
        self._let_go(session)
        await self._undo(session)

    def views(self) -> list[SessionView]:
        """Return all of them, also those that are just beginning."""
        return [each.view() for each in self._held.values()]

    def endpoint_views(self) -> list[EndpointView]:
        """Return the state of the endpoints of all that have begun."""
        begun = (each for each in self._held.values() if each.begun)
        return [endpoint.view() for each in begun for endpoint in each.endpoints]

    async def resume(self) -> None:
        """Go on with the sessions of an earlier daemon whose processes live; remove the others."""
        for record in await asyncio.to_thread(self._files.load):
            if record.boot_id != boot_id():
                continue
            handle = hold(ProcessId(record.pid, record.start_time))
            endpoints = _endpoints(record)
            if handle is not None and not endpoints:
                # A newer daemon began it, with doors that are unknown here.
                os.close(handle)
            elif handle is not None:
                owner = SessionOwner(uid=record.uid, pid=record.pid, start_time=record.start_time)
                ports = [each.port for each in record.endpoints]
                session = self._hold(record.id, owner, handle, endpoints, ports)
                for each in session.endpoints:
                    await each.begin()
                session.begun = True
        await asyncio.to_thread(self._files.sweep, frozenset(self._held))

    async def watch(self) -> None:
        """Try again what could not be opened after a restart: a port may be free by now."""
        while True:
            await asyncio.sleep(RETRY)
            for session in list(self._held.values()):
                for each in session.endpoints:
                    if each.failure is not None and session.id in self._held:
                        await each.begin()

    async def close(self) -> None:
        """Close all endpoints; the next daemon goes on with those whose processes live."""
        held, self._held = list(self._held.values()), {}
        for session in held:
            self._let_go(session)
        await asyncio.gather(*(each.close() for session in held for each in session.endpoints))

    def _hold(
        self,
        name: str,
        owner: SessionOwner,
        handle: int,
        endpoints: Sequence[EndpointConfig],
        ports: Sequence[int] = (),
    ) -> _Session:
        held = [
            HeldEndpoint(
                endpoint,
                partial(
                    self._make,
                    endpoint,
                    ports[number] if ports else 0,
                    self._files.token_file(name, number),
                    owner.uid,
                ),
                pid=owner.pid,
            )
            for number, endpoint in enumerate(endpoints)
        ]
        session = self._held[name] = _Session(name, owner, handle, held)
        # A handle can be read as soon as its process has ended (pidfd_open(2)).
        asyncio.get_running_loop().add_reader(handle, self._ended, name)
        return session

    def _ended(self, session_id: str) -> None:
        session = self._held[session_id]
        asyncio.get_running_loop().remove_reader(session.handle)
        _log.info("session of process %d has ended", session.owner.pid)
        self._spawn(self.end(session_id))

    async def _open(self, session: _Session) -> None:
        for each in session.endpoints:
            await each.begin()
            if each.failure is not None:
                raise each.failure.error()
        await asyncio.to_thread(self._files.keep, _record(session))
        if session.id not in self._held:
            raise _has_ended(session.owner)

    async def _undo(self, session: _Session) -> None:
        # The files last: to open an endpoint makes one.
        await asyncio.gather(*(each.close() for each in session.endpoints))
        await asyncio.to_thread(self._files.remove, session.id)

    def _let_go(self, session: _Session) -> None:
        asyncio.get_running_loop().remove_reader(session.handle)
        os.close(session.handle)


def _has_ended(owner: SessionOwner) -> BrokerError:
    return BrokerError(Kind.DENIED, f"process {owner.pid}, which opened this connection, has ended")


def _record(session: _Session) -> SessionRecord:
    opened = [(each.endpoint, each.opened) for each in session.endpoints]
    return SessionRecord(
        id=session.id,
        uid=session.owner.uid,
        pid=session.owner.pid,
        start_time=session.owner.start_time,
        boot_id=boot_id(),
        endpoints=tuple(
            EndpointRecord(door=each.door, credential=each.credentials[0], port=there.port)
            for each, there in opened
            if there is not None
        ),
    )


def _endpoints(record: SessionRecord) -> list[EndpointConfig]:
    """Return the endpoints of *record*; none if a newer daemon knows more doors."""
    words = [{"door": each.door, "credentials": [each.credential]} for each in record.endpoints]
    try:
        return msgspec.convert(words, list[EndpointConfig])
    except msgspec.ValidationError:
        return []
