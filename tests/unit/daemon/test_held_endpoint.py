"""An endpoint that is opened and closed at the same time is closed, and one that fails says why."""

from __future__ import annotations

import asyncio
import socket
import threading
from functools import partial

from credward.callers.peer import Peer
from credward.config import EndpointConfig
from credward.daemon.held_endpoint import HeldEndpoint
from credward.doors.door import Door
from credward.doors.endpoint import LoopbackSockets, OpenedEndpoint
from credward.errors import BrokerError, Kind
from credward.http.messages import HttpRequest, HttpResponse
from waiting import PATIENCE

ENDPOINT = EndpointConfig(door="gce", credentials=("work",))


class _Opening:
    """A socket that nobody takes away."""

    def __init__(self, bound: socket.socket) -> None:
        self.socket = bound

    def still_there(self) -> bool:
        return True

    def remove(self) -> None:
        """Nothing."""

    def release(self) -> None:
        """Nothing."""


def _nobody(_: socket.socket) -> Peer:
    raise BrokerError(Kind.DENIED, "nobody asks here")


def _handler(_: HttpRequest) -> HttpResponse:
    return HttpResponse(status=200)


def _open() -> OpenedEndpoint:
    opened = LoopbackSockets(None)
    doors = [
        Door(
            name="gce",
            address=str(each.getsockname()),
            make_opening=partial(_Opening, each),
            open_peer=_nobody,
            handler=_handler,
            render_error=lambda _error, _headers: HttpResponse(status=500),
        )
        for each in opened.sockets
    ]
    return OpenedEndpoint(port=opened.port, doors=tuple(doors), secret_file=None)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_what_is_closed_while_it_opens_is_closed() -> None:
    """Its process may end while the disk is slow."""

    async def run() -> tuple[int, bool]:
        slow, at_work = threading.Event(), threading.Event()

        def make() -> OpenedEndpoint:
            at_work.set()
            assert slow.wait(PATIENCE)
            return _open()

        held = HeldEndpoint(ENDPOINT, make)
        begin = asyncio.create_task(held.begin())
        await asyncio.to_thread(at_work.wait, PATIENCE)
        close = asyncio.create_task(held.close())
        await asyncio.sleep(0)
        slow.set()
        await asyncio.gather(begin, close)
        assert held.opened is not None
        return held.opened.port, await asyncio.to_thread(_listens, held.opened.port)

    port, listens = asyncio.run(run())
    assert port > 0
    assert not listens


def test_what_was_closed_does_not_open() -> None:
    made = []

    async def run() -> None:
        held = HeldEndpoint(ENDPOINT, lambda: made.append(1) or _open())
        await held.close()
        await held.begin()
        assert held.view().port is None

    asyncio.run(run())
    assert not made


def test_it_is_open_until_it_is_closed() -> None:
    async def run() -> list[bool]:
        held = HeldEndpoint(ENDPOINT, _open)
        await held.begin()
        port = held.view().port
        assert port is not None
        there = await asyncio.to_thread(_listens, port)
        await held.close()
        return [there, await asyncio.to_thread(_listens, port)]

    assert asyncio.run(run()) == [True, False]


def test_a_failure_is_kept_until_it_opens() -> None:
    tries = iter([BrokerError(Kind.FIX_CONFIGURATION, "the port is taken"), None])

    def make() -> OpenedEndpoint:
        if (error := next(tries)) is not None:
            raise error
        return _open()

    async def run() -> list[str | None]:
        held = HeldEndpoint(ENDPOINT, make)
        said = []
        for _ in range(2):
            await held.begin()
            failure = held.view().failure
            said.append(None if failure is None else failure.message)
        await held.close()
        return said

    assert asyncio.run(run()) == ["the port is taken", None]
