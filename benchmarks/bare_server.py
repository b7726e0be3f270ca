"""The floor of the daemon: its HTTP server with a constant answer and nothing behind it.

`bare_server.py SOCKET`; prints one line when it listens.
"""

from __future__ import annotations

import asyncio
import socket
import sys

from credward.doors.unix_api.problems import render_problem
from credward.http.http11 import HttpRequest, HttpResponse, HttpServer

_HEADERS = (("Token-Id", "0123456789abcdef"), ("Cache-Control", "no-store"))


class _Nobody:
    uid = 0
    pid = None

    def pin(self) -> None:
        pass

    def close(self) -> None:
        pass


def _answer(_: HttpRequest) -> HttpResponse:
    return HttpResponse(status=200, body=b"token\n", content_type="text/plain", headers=_HEADERS)


async def _serve(path: str) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(1024)
    server = HttpServer(
        _answer,
        open_peer=lambda _: _Nobody(),
        render_error=render_problem,
        is_plain=lambda _: True,
    )
    server.start(listener)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
