"""Accepting stops and goes on without losing anybody."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from credward.http.accepting import Acceptor
from waiting import PATIENCE


class _Greeter(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"hello")
        transport.close()


async def _greeted(path) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    received = await reader.read()
    writer.close()
    return received


def test_clients_queue_while_stopped(run, short_dir):
    """Whoever comes in a pause is accepted after it, any number of times; the file stays."""

    async def main() -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(short_dir / "s"))
        acceptor = Acceptor(listener, _Greeter, burst=2, queue=64)
        await acceptor.start()
        assert await _greeted(short_dir / "s") == b"hello"
        for _ in range(3):
            acceptor.stop()
            await asyncio.sleep(0.01)
            waiting = [asyncio.create_task(_greeted(short_dir / "s")) for _ in range(10)]
            await asyncio.sleep(0.05)
            assert not any(each.done() for each in waiting)

            await acceptor.start()
            assert await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE) == [b"hello"] * 10
        assert (short_dir / "s").exists()

        acceptor.close()
        await asyncio.sleep(0.01)

    run(main())


def test_nobody_is_dropped_when_it_stops_in_mid_accept(run, short_dir):
    """Connections that the loop had already taken are made in spite of the stop."""

    async def main() -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(short_dir / "s"))
        made = []

        def make() -> _Greeter:
            made.append(_Greeter())
            acceptor.stop()
            return made[-1]

        acceptor = Acceptor(listener, make, burst=8, queue=64)
        await acceptor.start()
        waiting = [asyncio.create_task(_greeted(short_dir / "s")) for _ in range(20)]
        async with asyncio.timeout(PATIENCE):
            while not all(each.done() for each in waiting):
                await asyncio.sleep(0.005)
                await acceptor.start()
        assert [each.result() for each in waiting] == [b"hello"] * 20
        assert len(made) == 20

        acceptor.close()
        await asyncio.sleep(0.01)

    run(main())


def test_r6_nobody_is_turned_away_while_it_goes_on(run, short_dir):
    """R6: the queue is as long as ever, also while more wait than are taken at one go."""

    async def main() -> None:
        clients: list[socket.socket] = []
        with contextlib.ExitStack() as held:

            def come() -> None:
                client = held.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                client.connect(str(short_dir / "s"))
                clients.append(client)

            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(short_dir / "s"))
            listener.listen(64)
            acceptor = Acceptor(listener, _Greeter, burst=1, queue=64)
            for _ in range(40):
                come()
            starting = asyncio.create_task(acceptor.start())
            while not starting.done():
                await asyncio.sleep(0)
                come()
            async with asyncio.timeout(PATIENCE):
                heard = [await asyncio.get_running_loop().sock_recv(each, 16) for each in clients]
            assert heard == [b"hello"] * len(clients)

            acceptor.close()
            await asyncio.sleep(0.01)

    run(main())
