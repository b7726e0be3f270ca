"""The routes of the socket API: which verb on which path asks what of the service.

One table drives dispatch, 404, 405 and the OpenAPI document. What callers send is checked by
`inputs`; deciding and obtaining is the `Service`; how failures look is `problems`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from pathlib import PurePath
from typing import Any, TypeVar, cast

from credward import wire
from credward.doors.unix_api.inputs import (
    check_name,
    read_body,
    read_folder_claim,
    read_timeout,
    read_token_request,
)
from credward.doors.unix_api.manage_routes import ManageApi, ManageService, manage_routes
from credward.doors.unix_api.openapi import Call, Route, openapi_document
from credward.doors.unix_api.service import Issued, Service
from credward.errors import BrokerError, Kind
from credward.folder import FOLDER_HEADER, MEDIA_TYPE
from credward.http.messages import Handler, HttpRequest, HttpResponse, RefusedRequest, wipe
from credward.policy.client_variables import VARIABLES_HEADER
from credward.tokens import TokenRequest

__all__ = ["ROUTES", "Issued", "Service", "build_handler"]

# The daemon answers this much before the caller gives up (seconds): a late answer is no answer.
_HEAD_START = 0.2
_REFRESH_TIMEOUT = 30.0
_CREDENTIALS = "/v1/credentials/"

_T = TypeVar("_T")


def build_handler(service: Service, manage: ManageService, home: PurePath | None = None) -> Handler:
    """Return the handler of the socket API over *service* and *manage*.

    *home*: whose own settings are no repository's, None where callers have homes of their own.
    """
    return _Api(service, manage, home).handle


class _Api:
    def __init__(self, service: Service, manage: ManageService, home: PurePath | None) -> None:
        self.service = service
        self._home = home
        self._manage = ManageApi(manage)
        self._flights: set[asyncio.Future[Any]] = set()
        self._openapi = b""

    def handle(self, http_request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        path = http_request.path
        name = last = ""
        verbs = _EXACT.get(path)
        if verbs is None:
            if not path.startswith(_CREDENTIALS):
                return self._handle_managing(http_request)
            name, slash, last = path[len(_CREDENTIALS) :].partition("/")
            if not slash or "/" in last:
                raise _no_such_path()
            verbs = _ACTIONS.get(last, _ANY_FORMAT)
        return _by_method(verbs, http_request).call(self, http_request, name, last)

    def _handle_managing(self, http_request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        words = http_request.path.split("/")[1:]
        for pattern, verbs in _MANAGING:
            if len(pattern) == len(words) and all(
                each in {word, _ANY} for each, word in zip(pattern, words, strict=True)
            ):
                names = [word for each, word in zip(pattern, words, strict=True) if each == _ANY]
                return _by_method(verbs, http_request).call(self._manage, http_request, *names)
        raise _no_such_path()

    # --- tokens -------------------------------------------------------------------------------

    def issue(
        self, http_request: HttpRequest, name: str, format_name: str
    ) -> HttpResponse | Awaitable[HttpResponse]:
        token_request = read_token_request(name, format_name, http_request.query)
        return self._issue(http_request, token_request)

    def issue_in_folder(
        self, http_request: HttpRequest, name: str, format_name: str
    ) -> HttpResponse | Awaitable[HttpResponse]:
        folder = read_folder_claim(http_request.body, http_request.headers, self._home)
        token_request = read_token_request(name, format_name, http_request.query, folder)
        return self._issue(http_request, token_request)

    def _issue(
        self, http_request: HttpRequest, token_request: TokenRequest
    ) -> HttpResponse | Awaitable[HttpResponse]:
        answer = self.service.issue(http_request.peer, token_request)
        if isinstance(answer, Awaitable):
            return self._issue_later(answer, token_request)
        return _token_response(answer, token_request)

    async def _issue_later(
        self, answer: Awaitable[Issued], token_request: TokenRequest
    ) -> HttpResponse:
        issued = await self._in_time(answer, token_request.credential, token_request.timeout)
        return _token_response(issued, token_request)

    async def refresh(self, http_request: HttpRequest, name: str, _: str) -> HttpResponse:
        seconds = read_timeout(http_request.query, _REFRESH_TIMEOUT)
        answer = self.service.refresh(http_request.peer, check_name(name), seconds)
        return HttpResponse(
            status=200, body=wire.encode(await self._in_time(answer, name, seconds))
        )

    def rejected(self, http_request: HttpRequest, name: str, _: str) -> HttpResponse:
        report = read_body(http_request.body, wire.RejectedReport)
        self.service.rejected(http_request.peer, check_name(name), report)
        return HttpResponse(status=202, body=b"{}")

    def jwks(self, http_request: HttpRequest, name: str, _: str) -> HttpResponse:
        keys = self.service.jwks(http_request.peer, check_name(name))
        body = wire.encode(wire.Jwks(keys=keys["keys"]))
        return HttpResponse(status=200, body=body, content_type="application/jwk-set+json")

    async def _in_time(self, answer: Awaitable[_T], name: str, seconds: float) -> _T:
        """Wait for *answer*, but no longer than the caller does; the flight always goes on."""
        flight = _as_future(answer)
        self._flights.add(flight)
        flight.add_done_callback(self._flights.discard)
        wait = max(seconds - _HEAD_START, seconds / 2)
        done, _ = await asyncio.wait({flight}, timeout=wait)
        if done:
            return flight.result()
        flight.add_done_callback(_drop)
        which = "the default credential" if name == "-" else f'"{name}"'
        raise BrokerError(
            Kind.TIMED_OUT,
            f"{which} is not there after {wait:.3g} s, the mint goes on: ask again",
            retry_after=1.0,
        )

    # --- the daemon itself --------------------------------------------------------------------

    def statuses(self, http_request: HttpRequest, *_: str) -> HttpResponse:
        return HttpResponse(status=200, body=wire.encode(self.service.statuses(http_request.peer)))

    async def reload(self, http_request: HttpRequest, *_: str) -> HttpResponse:
        result = await self.service.reload(http_request.peer)
        return HttpResponse(status=200, body=wire.encode(result))

    def audit(self, http_request: HttpRequest, *_: str) -> HttpResponse:
        lines = self.service.audit(http_request.peer, http_request.query.get("after"))
        return HttpResponse(status=200, body=lines, content_type="application/x-ndjson")

    def health(self, *_: object) -> HttpResponse:
        return HttpResponse(status=200, body=wire.encode(self.service.health()))

    def ready(self, *_: object) -> HttpResponse:
        ready = self.service.ready()
        return HttpResponse(status=200 if ready.ready else 503, body=wire.encode(ready))

    def metrics(self, *_: object) -> HttpResponse:
        return HttpResponse(
            status=200,
            body=self.service.metrics().encode(),
            content_type="text/plain; version=0.0.4; charset=utf-8",
        )

    def openapi(self, *_: object) -> HttpResponse:
        self._openapi = self._openapi or openapi_document(ROUTES)
        return HttpResponse(status=200, body=self._openapi)


def _token_response(issued: Issued, token_request: TokenRequest) -> HttpResponse:
    headers = [
        ("Credential", issued.credential),
        ("Token-Id", issued.token_id),
        ("Issued-At", str(int(issued.issued_at))),
        ("Cache-Control", "no-store"),
    ]
    if issued.expires_at is not None:
        headers.append(("Expires-At", str(int(issued.expires_at))))
    if issued.short:
        headers.append(("Lifetime-Short", "true"))
    if token_request.folder is not None:
        # A daemon that knows nothing of folders would not say so.
        headers.append((FOLDER_HEADER, "judged"))
    if token_request.variables_told:
        headers.append((VARIABLES_HEADER, "judged"))
    return HttpResponse(
        status=200,
        body=issued.body,
        content_type=issued.content_type,
        headers=tuple(headers),
        wipe=True,
    )


def _as_future(answer: Awaitable[_T]) -> asyncio.Future[_T]:
    if isinstance(answer, asyncio.Future):
        return answer
    return asyncio.get_running_loop().create_task(cast("Coroutine[Any, Any, _T]", answer))


def _drop(flight: asyncio.Future[Any]) -> None:
    """Take the end of a flight that nobody waits for: wipe its token, hear out its error."""
    if not flight.cancelled() and flight.exception() is None:
        wipe(getattr(flight.result(), "body", b""))


def _no_such_path() -> RefusedRequest:
    return RefusedRequest(404, "no such path: GET /v1/openapi.json lists them all")


def _route(verb_and_path: str, call: Call, summary: str, **facts: Any) -> Route:
    verb, _, path = verb_and_path.partition(" ")
    return Route(verb=verb, path=path, call=call, summary=summary, **facts)


_ASK = ("min_remaining", "cache_ttl", "timeout", "audience", "scope", "client_base_url")
_ISSUE: dict[str, Any] = {
    "query": (*_ASK, "client_flags", "variables", "in_tool", "mcp_server", "not"),
    "media": "text/plain",
}

ROUTES: tuple[Route, ...] = (
    _route("GET /v1/credentials", _Api.statuses, "States without secrets", answer=wire.StatusList),
    _route("GET /v1/credentials/{name}/{format}", _Api.issue, "A token in a format", **_ISSUE),
    _route(
        "POST /v1/credentials/{name}/{format}",
        _Api.issue_in_folder,
        "The same, with what the settings files in the caller's folder say",
        body_media=MEDIA_TYPE,
        **_ISSUE,
    ),
    _route(
        "POST /v1/credentials/{name}/refresh",
        _Api.refresh,
        "Force a mint",
        query=("timeout",),
        answer=wire.RefreshResult,
    ),
    _route(
        "POST /v1/credentials/{name}/rejected",
        _Api.rejected,
        "Report a token that was refused where it is used",
        body=wire.RejectedReport,
        status=202,
    ),
    _route(
        "GET /v1/credentials/{name}/jwks",
        _Api.jwks,
        "Public keys of a local credential",
        answer=wire.Jwks,
        media="application/jwk-set+json",
    ),
    _route("POST /v1/reload", _Api.reload, "Read configuration again", answer=wire.ReloadResult),
    _route(
        "GET /v1/audit",
        _Api.audit,
        "What was decided, one JSON line each",
        query=("after",),
        media="application/x-ndjson",
    ),
    _route("GET /v1/health", _Api.health, "The daemon answers", answer=wire.Health),
    _route("GET /v1/ready", _Api.ready, "Tokens can be asked for", answer=wire.Ready),
    _route("GET /v1/openapi.json", _Api.openapi, "This document"),
    _route("GET /metrics", _Api.metrics, "Counters for Prometheus", media="text/plain"),
    *manage_routes(),
)


# Stands for a name in a path.
_ANY = ""


def _by_method(verbs: dict[str, Route], http_request: HttpRequest) -> Route:
    route = verbs.get(http_request.method)
    if route is None:
        allow = ", ".join(sorted(verbs))
        raise RefusedRequest(405, f"no such verb on this path: use {allow}", allow=allow)
    return route


def _by_verb(routes: tuple[Route, ...], path: str) -> dict[str, Route]:
    return {route.verb: route for route in routes if route.path == path}


_ANY_FORMAT = _by_verb(ROUTES, _CREDENTIALS + "{name}/{format}")
_ACTIONS = {
    route.path.rpartition("/")[2]: _by_verb(ROUTES, route.path)
    for route in ROUTES
    if route.path.startswith(_CREDENTIALS + "{name}/") and "{format}" not in route.path
}
_MANAGING = tuple(
    (
        tuple(_ANY if word.startswith("{") else word for word in path.split("/")[1:]),
        _by_verb(ROUTES, path),
    )
    for path in dict.fromkeys(route.path for route in manage_routes())
)
_MANAGED = {route.path for route in manage_routes()}
_EXACT = {
    route.path: _by_verb(ROUTES, route.path)
    for route in ROUTES
    if "{" not in route.path and route.path not in _MANAGED
}
