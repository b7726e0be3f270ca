"""A door for tests: TCP on loopback, a bearer in place of attestation, the bare token as the answer."""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import Awaitable

from credward.callers.caller import Caller
from credward.doors.door import Door
from credward.errors import BrokerError, Kind
from credward.http.messages import HttpRequest, HttpResponse
from credward.issuing.issuer import Issuer
from credward.issuing.released import Released
from credward.tokens import TokenRequest


class Bearer:
    """Who connects: somebody that the caller of this door vouches for."""

    def __init__(self, caller: Caller) -> None:
        self.caller, self.uid, self.pid = caller, caller.uid, caller.pid

    def pin(self) -> None: ...

    def identify(self) -> Caller:
        return self.caller

    async def identify_closely(self) -> Caller:
        return self.caller

    def close(self) -> None:
        """Nothing is held."""


class Loopback:
    """A listening TCP socket."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))

    def still_there(self) -> bool:
        return True

    def remove(self) -> None: ...
    def release(self) -> None: ...


def bearer_door(issuer: Issuer, bearer: str, caller: Caller, opening: Loopback) -> Door:
    """Return a door to *issuer* for whoever knows *bearer*, as *caller*."""

    def handle(http_request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        said = http_request.headers.get("authorization", "")
        if not hmac.compare_digest(said.encode(), f"Bearer {bearer}".encode()):
            raise BrokerError(Kind.DENIED, "the bearer is wrong")
        deadline = asyncio.get_running_loop().time() + 4.0
        asked = TokenRequest(credential=http_request.path[1:], format="bearer-door")
        answer = issuer.issue(http_request.peer, asked, deadline)
        return shaped(answer) if isinstance(answer, Released) else later(answer)

    async def later(answer: Awaitable[Released]) -> HttpResponse:
        return shaped(await answer)

    def shaped(released: Released) -> HttpResponse:
        return HttpResponse(status=200, body=released.open(), content_type="text/plain", wipe=True)

    return Door(
        name="bearer",
        address=f"127.0.0.1:{opening.socket.getsockname()[1]}",
        make_opening=lambda: opening,
        open_peer=lambda _: Bearer(caller),
        handler=handle,
        render_error=lambda error, _: HttpResponse(status=error.kind.status, body=b"no\n"),
    )
