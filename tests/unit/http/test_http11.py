"""All connections together: counting, pausing, closing with grace."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import credward
from credward.http.connection import Connection
from credward.http.http11 import HttpResponse, Limits
from credward.http.stream import Stream
from unit.http.doors import GET, GET_AND_CLOSE, FakePeer, hello, open_door, status_of
from waiting import PATIENCE, until, until_async

BARE_SERVER = Path(__file__).with_name("bare_server.py")


def test_a_defect_costs_its_connection_and_no_place(run, caplog):
    """Whatever fails on the way: the client sees the end, and nothing of it stays counted."""

    def fail(*_: object):
        raise ZeroDivisionError("a defect")

    async def main() -> None:
        async with open_door(limits=Limits(connections=3), open_peer=fail) as door:
            for _ in range(10):
                assert await door.exchange(GET) == b""
            assert door.server.connections == 0
            assert not door.server.crowded

    run(main())
    assert "a connection failed" in caplog.text


def test_an_ended_connection_leaves_nothing_to_collect(run):
    """Its parts do not hold one another: a busy daemon would wait for the collector."""

    async def main() -> None:
        async with open_door() as door:
            assert await door.still_serves()
            gc.collect()
            gc.disable()
            try:
                for _ in range(50):
                    assert await door.still_serves()
                await until_async(lambda: door.server.connections == 0)
                left = [each for each in gc.get_objects() if isinstance(each, Connection | Stream)]
            finally:
                gc.enable()
            assert left == []

    run(main())


def test_limits_connections_of_one_process(run):
    """One pid may hold so many and no more; another one, and the same one later, is served."""
    pids = iter([1, 1, 1, 2, 1])

    async def main() -> None:
        async with open_door(
            limits=Limits(connections_per_pid=2),
            open_peer=lambda sock: FakePeer(sock, pid=next(pids)),
        ) as door:
            held = []
            for number in (1, 2):
                held.append(await door.connect())
                await until_async(lambda number=number: door.server.connections == number)
            refused = await door.exchange(GET)
            assert status_of(refused) == 429
            assert b"Credward-Kind: rate-limited\r\n" in refused
            assert await door.still_serves()

            for _, writer in held:
                writer.close()
            await until_async(lambda: door.server.connections == 0)
            assert await door.still_serves()

    run(main())


def test_refused_connections_do_not_crowd_out_others(run):
    """A process with too many may open as many refused ones as it likes: few of them stay."""
    refusing = True

    async def main() -> None:
        nonlocal refusing
        async with open_door(
            limits=Limits(connections=16, connections_per_pid=1, linger=600),
            open_peer=lambda sock: FakePeer(sock, pid=1 if refusing else 2),
        ) as door:
            held = [await door.connect() for _ in range(40)]
            for reader, _ in held[1:]:
                assert status_of(await reader.readuntil(b"\r\n\r\n")) == 429
            refusing = False
            assert await door.still_serves()
            await until_async(lambda: door.server.connections == 3)

            for _, writer in held:
                writer.close()
            await until_async(lambda: door.server.connections == 0)
            assert not door.server._lingering

    run(main())


def test_pauses_when_full_and_goes_on_by_itself(run):
    """Beyond the limit clients queue; those who were only idling make room for them."""

    async def main() -> None:
        async with open_door(limits=Limits(connections=8, read_deadline=0.4)) as door:
            held = [await door.connect() for _ in range(20)]
            await until_async(lambda: door.server.crowded)
            await asyncio.sleep(0.1)
            assert door.server.connections <= 8
            assert await door.still_serves()

            for _, writer in held:
                writer.close()
            await until_async(lambda: door.server.connections == 0)
            assert not door.server.crowded

    run(main())


def test_idle_connections_make_room_for_new_ones(run):
    """A kept connection that asks nothing is closed when others wait."""

    async def main() -> None:
        async with open_door(limits=Limits(connections=8, idle_deadline=600)) as door:
            kept = []
            for _ in range(5):
                reader, writer = await door.connect()
                writer.write(GET)
                await reader.readuntil(b"hello\n")
                kept.append(writer)
            # Well before the server would have closed them anyway.
            answers = await asyncio.wait_for(
                asyncio.gather(*(door.exchange(GET_AND_CLOSE) for _ in range(10))), PATIENCE
            )
            assert {status_of(answer) for answer in answers} == {200}
            for writer in kept:
                writer.close()

    run(main())


def test_serves_a_new_listener_in_place_of_the_old(run, short_dir):
    """Starting again moves the server to another socket and keeps its connections."""

    async def main() -> None:
        async with open_door() as door:
            reader, writer = await door.connect()
            other = socket.socket(socket.AF_UNIX)
            other.bind(str(short_dir / "other"))
            door.server.start(other)
            await asyncio.sleep(0.05)
            with pytest.raises(ConnectionRefusedError):
                await door.connect()
            door.path = short_dir / "other"
            assert await door.still_serves()
            writer.write(GET_AND_CLOSE)
            assert (await reader.read()).endswith(b"hello\n")
            writer.close()

    run(main())


def test_closing_lets_answers_finish(run):
    """O2: answers in progress get their grace, idle connections do not hold it up."""

    async def main() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def later(http_request):
            begun.set()
            await go_on.wait()
            return hello(http_request)

        async with open_door(later) as door:
            idle = await door.connect()
            asking = asyncio.create_task(door.exchange(GET))
            await until_async(lambda: door.server.connections == 2)
            await begun.wait()
            closing = asyncio.create_task(door.server.close(grace=600))
            await asyncio.sleep(0.05)
            assert not closing.done()
            go_on.set()
            await asyncio.wait_for(closing, PATIENCE)
            answer = await asking
            assert answer.endswith(b"hello\n")
            assert b"Connection: close\r\n" in answer
            assert await idle[0].read() == b""
            idle[1].close()

    run(main())


def test_closing_ends_even_if_an_answer_does_not(run):
    """O2: after the grace everything is closed and no task is left."""

    async def never(_http_request):
        await asyncio.sleep(3600)

    async def main() -> None:
        async with open_door(never) as door:
            asking = asyncio.create_task(door.exchange(GET))
            await until_async(lambda: door.server.connections == 1)
            await asyncio.wait_for(door.server.close(grace=0.4), PATIENCE)
            assert door.server.connections == 0
            with contextlib.suppress(ConnectionError):
                await asking
            assert len(asyncio.all_tasks()) == 1

    run(main())


def test_a_future_of_the_handler_needs_no_task(run):
    """A handler may return a future; many callers may wait for the same one."""

    async def main() -> None:
        answer = asyncio.get_running_loop().create_future()
        async with open_door(lambda _http_request: answer) as door:
            asking = [asyncio.create_task(door.exchange(GET_AND_CLOSE)) for _ in range(5)]
            await until_async(lambda: door.server.connections == 5)
            answer.set_result(HttpResponse(status=200, body=b"same"))
            assert all(each.endswith(b"same") for each in await asyncio.gather(*asking))

    run(main())


# --- a process of its own -------------------------------------------------------------------------


@contextlib.contextmanager
def bare_server(
    directory: Path, *, read_deadline: float = 5.0, descriptors: int | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    path = str(directory / "s")
    arguments = [path, str(read_deadline), *([str(descriptors)] if descriptors else [])]
    process = subprocess.Popen(
        [sys.executable, str(BARE_SERVER), *arguments],
        env={"PYTHONPATH": str(Path(credward.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process, path
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    connection.connect(path)
    return connection


def ask(path: str) -> int:
    with connect(path) as connection:
        connection.sendall(GET_AND_CLOSE)
        return status_of(read_all(connection))


def read_all(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
    return received


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resting(pid: int) -> bool:
    """Return whether it does next to nothing for a second."""
    before = cpu_seconds(pid)
    time.sleep(1.0)
    return cpu_seconds(pid) - before < 0.2


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory_and_threads(pid: int) -> tuple[int, int]:
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(lines["VmRSS"].split()[0]), int(lines["Threads"])


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
def test_r6_few_descriptors_and_five_hundred_clients(short_dir):
    """R6: with 64 descriptors accepting pauses without a busy loop, everybody is served, nobody cut off."""
    # Whoever connects early asks late on a slow machine, and is not to be cut off for that.
    slow = {"read_deadline": PATIENCE, "descriptors": 64}
    with bare_server(short_dir, **slow) as (process, path):
        idle = [connect(path) for _ in range(500)]
        # Once it has taken in what it can; a busy loop never comes to rest.
        until(lambda: resting(process.pid))
        assert descriptors(process.pid) < 60
        for connection in idle:
            connection.close()
        assert ask(path) == 200

        askers = [connect(path) for _ in range(500)]
        for connection in askers:
            connection.sendall(GET_AND_CLOSE)
        assert {status_of(read_all(connection)) for connection in askers} == {200}
        for connection in askers:
            connection.close()
        until(lambda: descriptors(process.pid) < 30)


@linux
def test_r6_idle_clients_are_replaced_by_those_who_ask(short_dir):
    """R6: clients that hold a place without asking lose it at the deadline; the one who asks gets through."""
    with bare_server(short_dir, descriptors=64, read_deadline=0.2) as (_, path):
        idle = [connect(path) for _ in range(60)]
        assert ask(path) == 200
        for connection in idle:
            connection.close()


@linux
def test_r7_nothing_leaks_in_a_burst(short_dir):
    """R7, short: thousands of connections leave no descriptor, thread or memory behind."""
    with bare_server(short_dir) as (process, path):
        for _ in range(2000):
            ask(path)
        before, threads = memory_and_threads(process.pid)
        held = descriptors(process.pid)
        for _ in range(6000):
            ask(path)
        after, threads_after = memory_and_threads(process.pid)

        assert after - before < 3000
        assert threads_after == threads
        assert descriptors(process.pid) <= held + 1
