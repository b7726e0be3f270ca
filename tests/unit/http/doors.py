"""A server on a socket of its own, and clients that write bytes to it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from credward.doors.unix_api.problems import render_problem
from credward.errors import BrokerError
from credward.http.http11 import HttpRequest, HttpResponse, HttpServer, Limits

GET = b"GET /hello HTTP/1.1\r\nHost: credward\r\n\r\n"
GET_AND_CLOSE = b"GET /hello HTTP/1.1\r\nHost: credward\r\nConnection: close\r\n\r\n"


class FakePeer:
    """What the kernel would say of a client."""

    def __init__(self, _sock: object = None, *, pid: int = 4711) -> None:
        self.uid = 1000
        self.pid = pid
        self.closed = self.pinned = False

    def pin(self) -> None:
        self.pinned = True

    def identify(self) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


def hello(http_request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=200, body=b"hello\n", content_type="text/plain")


@dataclasses.dataclass
class Door:
    """A running server and how to reach it."""

    server: HttpServer
    path: Path

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(str(self.path), limit=2**26)

    async def exchange(self, raw: bytes, *, seconds: float = 60.0) -> bytes:
        """Send *raw* on a connection of its own and return all that comes back until it is closed."""
        reader, writer = await self.connect()
        try:
            with contextlib.suppress(OSError):
                writer.write(raw)
                await writer.drain()
            async with asyncio.timeout(seconds):
                with contextlib.suppress(OSError):
                    return await reader.read()
            return b""
        finally:
            writer.close()

    async def still_serves(self) -> bool:
        return (await self.exchange(GET_AND_CLOSE)).startswith(b"HTTP/1.1 200 OK\r\n")


@contextlib.asynccontextmanager
async def open_door(
    handler: Any = hello,
    *,
    limits: Limits | None = None,
    open_peer: Callable[[Any], Any] = FakePeer,
    is_plain: Callable[[bytes], object] = lambda _: True,
) -> AsyncIterator[Door]:
    directory = tempfile.mkdtemp(prefix="cw-", dir="/tmp")
    path = Path(directory) / "s"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    server = HttpServer(
        handler,
        open_peer=open_peer,
        render_error=render_problem,
        is_plain=is_plain,
        limits=limits,
    )
    server.start(listener)
    try:
        yield Door(server, path)
    finally:
        await server.close(grace=0.3)
        shutil.rmtree(directory)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def refuse_everybody(_sock: object) -> Any:
    from credward.errors import Kind

    raise BrokerError(Kind.DENIED, "uid 1234 is not welcome here")
