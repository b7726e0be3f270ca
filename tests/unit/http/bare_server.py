"""A server in a process of its own: `bare_server.py SOCKET READ_DEADLINE [NOFILE]`, ends at SIGTERM."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
import sys
from typing import Any

from credward.doors.unix_api.problems import render_problem
from credward.http.http11 import HttpRequest, HttpResponse, HttpServer, Limits


class Peer:
    uid = 0
    pid = None

    def __init__(self, sock: Any) -> None:
        # As with a pidfd, a connection holds a second descriptor.
        self._handle = socket.socket(socket.AF_UNIX)

    def pin(self) -> None: ...

    def identify(self) -> Any: ...

    def close(self) -> None:
        self._handle.close()


def hello(_http_request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        status=200, body=bytearray(b"hello\n"), content_type="text/plain", wipe=True
    )


async def main(path: str, read_deadline: float) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    server = HttpServer(
        hello,
        open_peer=Peer,
        render_error=render_problem,
        is_plain=lambda _: True,
        limits=Limits(read_deadline=read_deadline, connections_per_pid=10**6, spare_descriptors=12),
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server.start(listener)
    print("ready", flush=True)
    await stop.wait()
    await server.close()


if __name__ == "__main__":
    if len(sys.argv) > 3:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[3]), int(sys.argv[3])))
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
