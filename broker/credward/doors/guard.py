"""What every endpoint on loopback refuses before it looks at a request: pages, proxies, strangers.

A web page reaches ports of this machine: by a name of its own (DNS rebinding), by a form, by fetch.
Its browser says so in the headers; no SDK sends these. Who connected is up to
`callers.loopback_peer`, which token to hand out to each door.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Collection, Mapping

from credward.errors import Kind
from credward.http.messages import Handler, HttpRequest, HttpResponse, RefusedRequest
from credward.tokens import Secret

__all__ = ["check_secret", "guarded"]

_OF_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
# What a proxy adds (RFC 7239, what was there before, and what large ones have of their own), and
# what a browser adds (Fetch standard, Fetch Metadata Request Headers; the `fetch` of Node sends
# sec-fetch-mode, and nothing else of it).
_PASSED_ON = frozenset(
    {
        *("forwarded", "via", "x-forwarded", "x-real-ip", "x-client-ip", "true-client-ip"),
        *("cf-connecting-ip", "fastly-client-ip", "x-cluster-client-ip", "x-original-host"),
    }
)
_PASSED_ON_AS = ("x-forwarded-", "x-envoy-")
_OF_A_PAGE = frozenset({"origin", "referer", "sec-fetch-site", "sec-fetch-dest", "sec-fetch-user"})
_OF_A_PAGE_AS = "access-control-request-"
_USUAL = 80

Answer = Callable[[HttpRequest], Awaitable[HttpResponse]]


def guarded(
    answer: Answer, *, port: int, addresses: Collection[str] = (), names: Collection[str] = ()
) -> Handler:
    """Return the handler of an endpoint at *port*.

    *addresses* are those of the service that it stands in for, at its usual port; *names* are what
    clients call this machine. A name server may lead a page here by a name of its own (DNS
    rebinding): only an endpoint that is shown a secret may have names.
    """
    hosts = {f"{host}:{port}" for host in (*_OF_LOOPBACK, *names)}
    if port == _USUAL:
        hosts.update(_OF_LOOPBACK)
    for address in addresses:
        hosts.update({address, f"{address}:{_USUAL}"})

    def handle(http_request: HttpRequest) -> Awaitable[HttpResponse]:
        _check(http_request.headers, hosts)
        return _answer_located(answer, http_request)

    return handle


async def _answer_located(answer: Answer, http_request: HttpRequest) -> HttpResponse:
    # Which process it is takes a moment to find out.
    await http_request.peer.locate()
    return await answer(http_request)


def check_secret(
    http_request: HttpRequest, header: str, secret: Secret, *, scheme: str = ""
) -> None:
    """Refuse a request whose *header* is not the *secret* of the endpoint, after its *scheme*.

    The time that takes does not tell how much of it is right.
    """
    said = http_request.headers.get(header.lower(), "")
    if scheme:
        first, _, rest = said.partition(" ")
        said = rest.strip(" ") if first.lower() == scheme.lower() else ""
    if not hmac.compare_digest(said.encode(), secret.reveal().encode()):
        raise RefusedRequest(
            401,
            f"the header {header} is not the token of this endpoint: "
            "run credward status --endpoints",
            Kind.DENIED,
        )


def _check(headers: Mapping[str, str], hosts: Collection[str]) -> None:
    """Refuse what did not come from a program on this machine straight to this address."""
    if headers["host"].lower() not in hosts:
        raise _refused("the Host header names another server")
    for name in headers:
        if name in _PASSED_ON or name.startswith(_PASSED_ON_AS):
            raise _refused(f"a proxy passed this request on ({name})")
        if name in _OF_A_PAGE or name.startswith(_OF_A_PAGE_AS):
            raise _refused(f"a web page sent this request ({name})")


def _refused(why: str) -> RefusedRequest:
    return RefusedRequest(403, f"{why}: ask this endpoint directly", Kind.DENIED)
