"""Bytes taken and given at once, or when the kernel says so."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from credward.http.stream import Stream
from waiting import until_async


class Owner:
    """What a connection is to its stream."""

    def __init__(self, connected: socket.socket) -> None:
        self.readable = self.writable = 0
        self.scratch = bytearray(64 * 1024)
        self.stream = Stream(asyncio.get_running_loop(), connected, self.scratch)

    def can_read(self) -> None:
        self.readable += 1

    def can_write(self) -> None:
        self.writable += 1


@contextlib.contextmanager
def pair() -> Iterator[tuple[Owner, socket.socket]]:
    """Return an owner of one end, and the other end."""
    ours, theirs = socket.socketpair()
    with theirs:
        owner = Owner(ours)
        yield owner, theirs
        owner.stream.close()


def test_what_is_there_is_taken_and_nothing_of_it_stays(run):
    """None while there is nothing, bytes, then the end; the scratch is zero again."""

    async def main() -> None:
        with pair() as (owner, theirs):
            assert owner.stream.receive() is None
            theirs.sendall(b"secret")
            assert owner.stream.receive() == b"secret"
            assert set(owner.scratch) == {0}
            theirs.shutdown(socket.SHUT_WR)
            assert owner.stream.receive() == b""

    run(main())


def test_it_gives_what_the_kernel_takes_and_never_blocks(run):
    """A full buffer takes a part, then nothing; when there is room the owner is told."""

    async def main() -> None:
        with pair() as (owner, theirs):
            output = memoryview(bytes(8 * 1024 * 1024))
            sent = owner.stream.send(output)
            assert 0 < sent < len(output)
            assert owner.stream.send(output[sent:]) == 0
            owner.stream.wait_to_write(owner.can_write)
            await asyncio.sleep(0.02)
            assert owner.writable == 0
            got = 0
            while got < sent:
                got += len(theirs.recv(1 << 20))
            await until_async(lambda: owner.writable > 0)
            owner.stream.pause_writing()
            before = owner.writable
            await asyncio.sleep(0.02)
            assert owner.writable == before

    run(main())


def test_the_owner_is_told_only_while_it_waits(run):
    """Paused twice or asked twice is no harm."""

    async def main() -> None:
        with pair() as (owner, theirs):
            theirs.sendall(b"x")
            owner.stream.wait_to_read(owner.can_read)
            owner.stream.wait_to_read(owner.can_read)
            await until_async(lambda: owner.readable > 0)
            owner.stream.pause_reading()
            owner.stream.pause_reading()
            before = owner.readable
            await asyncio.sleep(0.02)
            assert owner.readable == before

    run(main())


def test_the_other_end_is_gone(run):
    """`OSError`, whichever way; closing twice is no harm."""

    async def main() -> None:
        with pair() as (owner, theirs):
            theirs.close()
            with pytest.raises(OSError, match="Broken pipe"):
                owner.stream.send(memoryview(b"x"))
            owner.stream.close()
            owner.stream.close()

    run(main())


def test_sending_ends_while_the_other_end_may_still_speak(run):
    """What a refused client gets: the answer, its end, and time to finish."""

    async def main() -> None:
        with pair() as (owner, theirs):
            owner.stream.send(memoryview(b"no"))
            owner.stream.end_sending()
            assert theirs.recv(16) == b"no"
            assert theirs.recv(16) == b""
            theirs.sendall(b"late")
            assert owner.stream.receive() == b"late"

    run(main())
