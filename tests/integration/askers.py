"""Many concurrent askers in one process: `askers.py SOCKET PATH COUNT` prints what each one got, as JSON.

A connection per ask, all opened before the first request is sent; run several for more than one process's share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time


async def ask(
    socket: str, path: str, start: asyncio.Event, connected: asyncio.Semaphore
) -> dict[str, object]:
    reader, writer = await asyncio.open_unix_connection(socket)
    connected.release()
    await start.wait()
    began = time.perf_counter()
    writer.write(f"GET {path} HTTP/1.1\r\nHost: credward\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    took = time.perf_counter() - began
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {
        name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])
    }
    return {
        "status": int(lines[0].split(" ")[1]) if head else 0,
        "token_id": headers.get("token-id"),
        "kind": headers.get("credward-kind"),
        "expires_at": headers.get("expires-at"),
        "body": body.decode().strip(),
        "took": took,
    }


async def main(socket: str, path: str, count: int) -> None:
    start = asyncio.Event()
    connected = asyncio.Semaphore(0)
    asks = [asyncio.create_task(ask(socket, path, start, connected)) for _ in range(count)]
    for _ in range(count):
        await connected.acquire()
    print("connected", flush=True)
    sys.stdin.readline()
    start.set()
    print(json.dumps(await asyncio.gather(*asks)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
