"""The routes of the socket API: which verb on which path calls what.

One table drives dispatch, 404, 405 and the OpenAPI document; what is asked again and again is
remembered by its target. `inputs` checks what callers send;
`issuing` decides and obtains tokens, `administering` serves owners; `problems` formats failures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import PurePath
from typing import Any

import msgspec

from credward import wire
from credward.administering.daemon_service import DaemonService
from credward.administering.manage_service import ManageService
from credward.administering.status_service import StatusService
from credward.clock import Clock
from credward.doors.unix_api.inputs import (
    check_name,
    read_body,
    read_folder_claim,
    read_timeout,
    read_token_request,
    read_token_requests,
    text,
)
from credward.doors.unix_api.manage_routes import MANAGE_ROUTES, ManageApi
from credward.doors.unix_api.openapi import Call, Route, openapi_document
from credward.doors.unix_api.problems import wants_text
from credward.doors.unix_api.token_answer import token_answer
from credward.folder import MEDIA_TYPE
from credward.formats.registry import check_format, check_merging
from credward.http.messages import Handler, HttpRequest, HttpResponse, RefusedRequest
from credward.issuing.asking import NOTHING
from credward.issuing.issuer import Issuer, Report
from credward.issuing.probing import Prober
from credward.issuing.released import Released
from credward.lifecycle.vocabulary import Reason
from credward.tokens import Folder, TokenRequest

__all__ = ["ROUTES", "Services", "build_handler"]

_REFRESH_TIMEOUT = 30.0
_CREDENTIALS = "/v1/credentials/"
# We remember so many token requests.
_MOST_KNOWN = 256


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """What the socket API gives access to."""

    issuer: Issuer
    prober: Prober
    status: StatusService
    daemon: DaemonService
    manage: ManageService
    clock: Clock


def build_handler(services: Services, home: PurePath | None = None) -> Handler:
    """Return the handler of the socket API.

    *home*: settings in it do not belong to a repository; None if callers have their own homes.
    """
    return _Api(services, home).handle


class _Api:
    def __init__(self, services: Services, home: PurePath | None) -> None:
        self.services = services
        self._home = home
        self._manage = ManageApi(services.manage)
        self._openapi = b""
        # Most callers ask the same again and again: their targets are read once.
        self._known_requests: dict[bytes, TokenRequest] = {}

    def handle(self, http_request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        known = self._known_requests.get(http_request.target)
        if known is not None and http_request.method == "GET":
            return self._issue(http_request, known)
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
        if "," in name:
            return self._issue_several(http_request, name, format_name)
        token_request = read_token_request(name, format_name, http_request.query)
        answer = self._issue(http_request, token_request)
        # Not refused: the target names what exists, and is no mistyped secret.
        if http_request.target:
            if len(self._known_requests) >= _MOST_KNOWN:
                self._known_requests.clear()
            self._known_requests[http_request.target] = token_request
        return answer

    def issue_in_folder(
        self, http_request: HttpRequest, name: str, format_name: str
    ) -> HttpResponse | Awaitable[HttpResponse]:
        folder = read_folder_claim(http_request.body, http_request.headers, self._home)
        if "," in name:
            return self._issue_several(http_request, name, format_name, folder)
        token_request = read_token_request(name, format_name, http_request.query, folder)
        return self._issue(http_request, token_request)

    def _issue(
        self, http_request: HttpRequest, token_request: TokenRequest
    ) -> HttpResponse | Awaitable[HttpResponse]:
        check_format(token_request.format)
        deadline = _deadline(token_request.timeout)
        answer = self.services.issuer.issue(http_request.peer, token_request, deadline)
        if isinstance(answer, Released):
            return self._answer([answer], token_request)
        return self._issue_later(answer, token_request)

    async def _issue_later(
        self, answer: Awaitable[Released], token_request: TokenRequest
    ) -> HttpResponse:
        return self._answer([await answer], token_request)

    async def _issue_several(
        self,
        http_request: HttpRequest,
        names: str,
        format_name: str,
        folder: Folder | None = None,
    ) -> HttpResponse:
        """Answer with one body for all of *names*, or with the failure of one."""
        token_requests = read_token_requests(names, format_name, http_request.query, folder)
        check_merging(format_name)
        deadline = _deadline(token_requests[0].timeout)
        released = await self.services.issuer.issue_all(http_request.peer, token_requests, deadline)
        return self._answer(released, token_requests[0])

    def _answer(self, released: list[Released], token_request: TokenRequest) -> HttpResponse:
        return token_answer(released, token_request, self.services.clock.now())

    async def refresh(self, http_request: HttpRequest, name: str, _: str) -> HttpResponse:
        seconds = read_timeout(http_request.query, _REFRESH_TIMEOUT)
        token_request = TokenRequest(
            credential=check_name(name),
            format=NOTHING,
            audience=text(http_request.query, "audience"),
            scopes=tuple((text(http_request.query, "scope") or "").split()),
        )
        name, held = await self.services.issuer.refresh(
            http_request.peer, token_request, _deadline(seconds)
        )
        result = wire.RefreshResult(
            credential=name,
            token_id=held.token_id,
            issued_at=held.issued_at,
            expires_at=held.expires_at,
        )
        return HttpResponse(status=200, body=wire.encode(result))

    async def rejected(self, http_request: HttpRequest, name: str, _: str) -> HttpResponse:
        said = read_body(http_request.body, wire.RejectedReport)
        report = Report(token_id=said.token_id, reason=Reason(said.reason), until=said.until)
        await self.services.issuer.report(http_request.peer, check_name(name), report)
        return HttpResponse(status=202, body=b"{}")

    async def probe(self, http_request: HttpRequest, name: str, _: str) -> HttpResponse:
        wanted = read_body(http_request.body, wire.Probe)
        seconds = read_timeout(http_request.query, _REFRESH_TIMEOUT)
        result = await self.services.prober.probe(
            http_request.peer, check_name(name), wanted, _deadline(seconds)
        )
        return HttpResponse(status=200, body=wire.encode(result))

    async def jwks(self, http_request: HttpRequest, name: str, _: str) -> HttpResponse:
        keys = await self.services.status.jwks(http_request.peer, check_name(name))
        return HttpResponse(
            status=200, body=wire.encode(keys), content_type="application/jwk-set+json"
        )

    async def last_words(self, http_request: HttpRequest, name: str, _: str) -> HttpResponse:
        found = await self.services.status.last_words(http_request.peer, check_name(name))
        return HttpResponse(status=200, body=wire.encode(found))

    # --- the daemon itself --------------------------------------------------------------------

    async def statuses(self, http_request: HttpRequest, *_: str) -> HttpResponse:
        if wants_text(http_request.headers):
            return await self._status_page(http_request)
        statuses = await self.services.status.statuses(http_request.peer)
        return HttpResponse(status=200, body=wire.encode(statuses))

    async def _status_page(self, http_request: HttpRequest) -> HttpResponse:
        """Answer with what `credward status` prints, so that it need not be written there."""
        from credward.doors.unix_api.status_page import (  # noqa: PLC0415 - few are asked for it
            read_look,
            status_page,
        )

        look = read_look(http_request.query)
        return status_page(await self.services.status.statuses(http_request.peer), look)

    def endpoints(self, http_request: HttpRequest, *_: str) -> HttpResponse:
        found = self.services.status.endpoints(http_request.peer)
        return HttpResponse(status=200, body=wire.encode(found))

    async def reload(self, http_request: HttpRequest, *_: str) -> HttpResponse:
        result = await self.services.daemon.reload(http_request.peer)
        return HttpResponse(status=200, body=wire.encode(result))

    def audit(self, http_request: HttpRequest, *_: str) -> HttpResponse:
        page = self.services.daemon.audit(http_request.peer, http_request.query.get("after"))
        return HttpResponse(
            status=200,
            body=page.lines,
            content_type="application/x-ndjson",
            headers=[("Audit-End", str(page.end))],
        )

    def health(self, *_: object) -> HttpResponse:
        return HttpResponse(status=200, body=wire.encode(self.services.status.health()))

    def ready(self, *_: object) -> HttpResponse:
        ready = self.services.daemon.ready()
        return HttpResponse(status=200 if ready.ready else 503, body=wire.encode(ready))

    def metrics(self, *_: object) -> HttpResponse:
        return HttpResponse(
            status=200,
            body=self.services.status.metrics().encode(),
            content_type="text/plain; version=0.0.4; charset=utf-8",
        )

    def openapi(self, *_: object) -> HttpResponse:
        self._openapi = self._openapi or openapi_document(ROUTES)
        return HttpResponse(status=200, body=self._openapi)


def _deadline(seconds: float) -> float:
    """Return when a caller that waits so long gives up, by the loop's clock."""
    return asyncio.get_running_loop().time() + seconds


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
    _route(
        "GET /v1/credentials",
        _Api.statuses,
        "States without secrets; as text: what credward status prints",
        query=("width", "colour", "home", "choice"),
        answer=wire.StatusList,
        or_media="text/plain",
    ),
    _route(
        "GET /v1/credentials/{name}/{format}",
        _Api.issue,
        "A token in a format; for headers, several names joined by commas",
        **_ISSUE,
    ),
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
        query=("timeout", "audience", "scope"),
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
        "POST /v1/credentials/{name}/probe",
        _Api.probe,
        "Send one request of one token to the service that takes the token",
        query=("timeout",),
        body=wire.Probe,
        answer=wire.ProbeResult,
    ),
    _route(
        "GET /v1/credentials/{name}/jwks",
        _Api.jwks,
        "Public keys of a local credential",
        answer=wire.Jwks,
        media="application/jwk-set+json",
    ),
    _route(
        "GET /v1/credentials/{name}/stderr",
        _Api.last_words,
        "For owners: the last line of the program whose mint failed, masked",
        answer=wire.LastWords,
    ),
    _route(
        "GET /v1/endpoints",
        _Api.endpoints,
        "The endpoints on loopback: where each is",
        answer=wire.EndpointList,
    ),
    _route("POST /v1/reload", _Api.reload, "Read configuration again", answer=wire.ReloadResult),
    _route(
        "GET /v1/audit",
        _Api.audit,
        "Decisions, one JSON line each",
        query=("after",),
        media="application/x-ndjson",
    ),
    _route("GET /v1/health", _Api.health, "The daemon answers", answer=wire.Health),
    _route("GET /v1/ready", _Api.ready, "Tokens can be asked for", answer=wire.Ready),
    _route("GET /v1/openapi.json", _Api.openapi, "This document"),
    _route("GET /metrics", _Api.metrics, "Counters for Prometheus", media="text/plain"),
    *MANAGE_ROUTES,
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
    for path in dict.fromkeys(route.path for route in MANAGE_ROUTES)
)
_MANAGED = {route.path for route in MANAGE_ROUTES}
_EXACT = {
    route.path: _by_verb(ROUTES, route.path)
    for route in ROUTES
    if "{" not in route.path and route.path not in _MANAGED
}
