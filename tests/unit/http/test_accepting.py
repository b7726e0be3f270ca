"""Accepting stops and goes on without losing anybody."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from credward.http import accepting
from credward.http.accepting import Acceptor
from waiting import PATIENCE, until_async


@contextlib.contextmanager
def _listening(directory: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "s"))
        yield listener


def _greet(connected: socket.socket) -> None:
    with connected:
        connected.sendall(b"hello")


async def _greeted(path: Path) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    received = await reader.read()
    writer.close()
    return received


def _come(directory: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.setblocking(False)
    client.connect(str(directory / "s"))
    return client


async def _hear(clients: list[socket.socket]) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE):
        assert {await loop.sock_recv(each, 16) for each in clients} == {b"hello"}


def test_clients_queue_while_stopped(run, short_dir):
    """Who comes in a pause is accepted after it, any number of times; the file stays."""

    async def main() -> None:
        with _listening(short_dir) as listener:
            acceptor = Acceptor(listener, _greet, queue=64)
            acceptor.start()
            assert await _greeted(short_dir / "s") == b"hello"
            for _ in range(3):
                acceptor.stop()
                waiting = [asyncio.create_task(_greeted(short_dir / "s")) for _ in range(10)]
                await asyncio.sleep(0.05)
                assert not any(each.done() for each in waiting)

                acceptor.start()
                assert await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE) == [b"hello"] * 10
            assert (short_dir / "s").exists()
            acceptor.close()

    run(main())


def test_takes_nobody_more_once_it_is_stopped(run, short_dir):
    """Also in the middle of a burst: who counts is asked after each one."""

    async def main() -> None:
        taken = []

        def take(connected: socket.socket) -> None:
            _greet(connected)
            taken.append(connected)
            acceptor.stop()

        with _listening(short_dir) as listener:
            acceptor = Acceptor(listener, take, queue=64)
            clients = [_come(short_dir) for _ in range(20)]
            for number in range(20):
                acceptor.start()
                await until_async(lambda number=number: len(taken) > number)
                await asyncio.sleep(0)
                assert len(taken) == number + 1
            await _hear(clients)
            acceptor.close()

    run(main())


def test_r6_nobody_is_turned_away_while_it_goes_on(run, short_dir):
    """R6: the queue is as long as ever, also while more wait than are taken at one go."""

    async def main() -> None:
        with _listening(short_dir) as listener:
            acceptor = Acceptor(listener, _greet, queue=64)
            clients = [_come(short_dir) for _ in range(40)]
            acceptor.start()
            for _ in range(20):
                clients.append(_come(short_dir))
            await _hear(clients)
            acceptor.close()

    run(main())


def test_r6_a_client_that_has_left_ends_nothing(run, short_dir):
    """R6: who gave up in the queue is no reason to keep the next one waiting."""

    async def main() -> None:
        with _listening(short_dir) as listener:
            acceptor = Acceptor(listener, _greet_if_there, queue=64)
            for _ in range(5):
                _come(short_dir).close()
            acceptor.start()
            assert await asyncio.wait_for(_greeted(short_dir / "s"), PATIENCE) == b"hello"
            acceptor.close()

    def _greet_if_there(connected: socket.socket) -> None:
        with contextlib.suppress(BrokenPipeError):
            _greet(connected)

    run(main())


def test_r6_waits_for_a_descriptor_without_a_busy_loop(run, short_dir, monkeypatch):
    """R6: with none left it pauses, and goes on by itself when there is one."""
    monkeypatch.setattr(accepting, "_RETRY", 0.1)
    refused = 0

    class Counting(socket.socket):
        def accept(self):
            nonlocal refused
            try:
                return super().accept()
            except OSError:
                refused += 1
                raise

    async def main() -> None:
        with Counting(socket.AF_UNIX) as listener:
            listener.bind(str(short_dir / "s"))
            acceptor = Acceptor(listener, _greet, queue=64)
            with _come(short_dir) as client:
                before = resource.getrlimit(resource.RLIMIT_NOFILE)
                await asyncio.sleep(0)
                lowest = os.dup(0)
                os.close(lowest)
                resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
                try:
                    acceptor.start()
                    await until_async(lambda: refused > 0)
                    await asyncio.sleep(0.35)
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, before)
                assert 2 <= refused <= 5
                await _hear([client])
            acceptor.close()

    run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="an option of Linux")
def test_nobody_passes_a_descriptor(run, short_dir):
    """Closing one may block for as long as its sender likes, and the whole daemon with it."""

    async def main() -> None:
        taken = []
        with _listening(short_dir) as listener:
            acceptor = Acceptor(listener, taken.append, queue=64)
            acceptor.start()
            with _come(short_dir) as client:
                await until_async(lambda: taken)
                if _passes_anything(taken[0]):
                    pytest.skip("this kernel cannot refuse descriptors (Linux 6.16 can)")
                with pytest.raises(PermissionError):
                    socket.send_fds(client, [b"x"], [client.fileno()])
            taken[0].close()
            acceptor.close()

    def _passes_anything(connected: socket.socket) -> bool:
        try:
            return connected.getsockopt(socket.SOL_SOCKET, accepting._SO_PASSRIGHTS) != 0
        except OSError:
            return True

    run(main())


@pytest.mark.parametrize("times", [1, 2])
def test_stopping_and_starting_twice_is_no_harm(run, short_dir, times):
    """Each is a wish, not a step."""

    async def main() -> None:
        with _listening(short_dir) as listener:
            acceptor = Acceptor(listener, _greet, queue=64)
            for _ in range(times):
                acceptor.start()
            for _ in range(times):
                acceptor.stop()
            for _ in range(times):
                acceptor.start()
            assert await _greeted(short_dir / "s") == b"hello"
            acceptor.close()

    run(main())
