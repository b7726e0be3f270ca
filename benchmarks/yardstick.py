"""The most that Python can do: uvloop, httptools, a constant answer. Frozen, of no code of ours.

`yardstick.py SOCKET`; prints one line when it listens.
"""

from __future__ import annotations

import asyncio
import sys

import httptools
import uvloop

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n"


class Constant(asyncio.Protocol):
    """Answers each whole request, and closes unless it may not."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        keep = self.parser.should_keep_alive()
        end = b"\r\ntoken\n" if keep else b"Connection: close\r\n\r\ntoken\n"
        self.transport.write(_HEAD + end)  # type: ignore[attr-defined]
        if not keep:
            self.transport.close()


async def _serve(path: str) -> None:
    server = await asyncio.get_running_loop().create_unix_server(Constant, path, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(sys.argv[1]))
