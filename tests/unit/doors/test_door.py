"""A door needs a listener, a peer, a handler and a face for failures, and nothing below `doors`."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from credward.daemon.listener import Listener
from fakes.bearer_door import Loopback, bearer_door
from unit.administering.services import OWNER, Services
from unit.grants.rig import GRANT


async def get(address: str, bearer: str, name: str = GRANT) -> tuple[int, bytes]:
    """Ask over TCP; return status and body."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET /{name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split(b" ")[1]), body


async def test_another_door_leads_the_same_way(services: Services) -> None:
    """Decided, minted once, recorded with the door's own word, and closed in order."""
    caller = msgspec.structs.replace(OWNER, door="bearer")
    door = bearer_door(services.asked.issuer, "open-sesame", caller, Loopback())
    listener = Listener(door)
    await listener.open()
    try:
        first = await get(listener.address, "open-sesame")
        again = await get(listener.address, "open-sesame")
        wrong = await get(listener.address, "sesame")
        unknown = await get(listener.address, "open-sesame", "nobody")
    finally:
        await listener.close()

    assert first == again == (200, b"token-1-gateway")
    assert (wrong, unknown) == ((403, b"no\n"), (404, b"no\n"))
    assert services.outcomes() == ["issued", "issued"]
    with pytest.raises(OSError):
        await get(listener.address, "open-sesame")
