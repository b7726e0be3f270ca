"""The routes for managing grants, the store and its secrets.

Maps requests to calls and results to answers; `ManageService` decides and acts. `routes` holds
dispatch and the routes for tokens.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from credward import wire
from credward.administering.manage_service import ManageService
from credward.doors.unix_api.inputs import (
    check_name,
    check_secret_name,
    number,
    read_body,
)
from credward.doors.unix_api.openapi import Route
from credward.errors import BrokerError, Kind
from credward.http.messages import HttpRequest, HttpResponse

__all__ = ["MANAGE_ROUTES", "ManageApi"]

# How long a watcher's request stays open when nothing happens (seconds); then it asks again.
_WATCH = 25.0
_LONGEST_WATCH = 60.0

_S = TypeVar("_S", bound=msgspec.Struct)


class ManageApi:
    """The handlers; each gets the request and the names in its path."""

    def __init__(self, service: ManageService) -> None:
        self._service = service

    async def login(self, http_request: HttpRequest, name: str) -> HttpResponse:
        """Start or join a login."""
        start = read_body(http_request.body, wire.LoginStart)
        return _answer(await self._service.login(http_request.peer, check_name(name), start))

    async def check(self, http_request: HttpRequest, name: str) -> HttpResponse:
        """Ask the server whether people can log in there."""
        await self._service.login_check(http_request.peer, check_name(name))
        return _answer(wire.Nothing())

    async def events(self, http_request: HttpRequest, login_id: str) -> HttpResponse:
        """Return events as they come, one JSON line each."""
        after = int(number(http_request.query, "after", most=1e6) or 0)
        wait = number(http_request.query, "timeout", most=_LONGEST_WATCH)
        events = await self._service.login_events(
            http_request.peer, login_id, after, _WATCH if wait is None else wait
        )
        lines = b"".join(wire.encode(event) + b"\n" for event in events)
        return HttpResponse(status=200, body=lines, content_type="application/x-ndjson")

    async def answer(self, http_request: HttpRequest, login_id: str) -> HttpResponse:
        """Pass on what the user typed."""
        await self._service.login_answer(
            http_request.peer, login_id, _required(http_request.body, wire.LoginAnswer)
        )
        return _answer(wire.Nothing(), 202)

    async def cancel(self, http_request: HttpRequest, login_id: str) -> HttpResponse:
        """Cancel a login."""
        await self._service.login_cancel(http_request.peer, login_id)
        return _answer(wire.Nothing(), 202)

    async def cancel_of(self, http_request: HttpRequest, name: str) -> HttpResponse:
        """Cancel the current login of a grant."""
        return _answer(await self._service.login_cancel_of(http_request.peer, check_name(name)))

    async def import_grant(self, http_request: HttpRequest, name: str) -> HttpResponse:
        """Take over a grant."""
        body = _required(http_request.body, wire.GrantImport)
        return _answer(
            await self._service.import_grant(http_request.peer, check_name(name), body.grant)
        )

    async def logout(self, http_request: HttpRequest, name: str) -> HttpResponse:
        """Log out of a grant."""
        return _answer(await self._service.logout(http_request.peer, check_name(name)))

    async def revoke_all(self, http_request: HttpRequest) -> HttpResponse:
        """Revoke everything."""
        return _answer(await self._service.revoke_all(http_request.peer))

    async def lock(self, http_request: HttpRequest) -> HttpResponse:
        """Lock the store; a body that cannot be read locks it too, if it can (H6)."""
        try:
            passphrase = read_body(http_request.body, wire.Passphrase).passphrase
        except BrokerError:
            await self._service.lock(http_request.peer, None)
            raise
        await self._service.lock(http_request.peer, passphrase or None)
        return _answer(wire.Nothing())

    async def unlock(self, http_request: HttpRequest) -> HttpResponse:
        """Unlock the store."""
        body = read_body(http_request.body, wire.Passphrase)
        await self._service.unlock(http_request.peer, body.passphrase or None)
        return _answer(wire.Nothing())

    async def choices(self, http_request: HttpRequest) -> HttpResponse:
        """List what was chosen."""
        return _answer(self._service.choosing.choices(http_request.peer))

    async def choose(self, http_request: HttpRequest) -> HttpResponse:
        """Keep or forget a choice."""
        change = _required(http_request.body, wire.ChoiceChange)
        return _answer(await self._service.choosing.choose(http_request.peer, change))

    async def begin_session(self, http_request: HttpRequest) -> HttpResponse:
        """Open endpoints of the asking process."""
        start = _required(http_request.body, wire.SessionStart)
        return _answer(await self._service.sessions.begin(http_request.peer, start))

    async def end_session(self, http_request: HttpRequest, session_id: str) -> HttpResponse:
        """Close them."""
        await self._service.sessions.end(http_request.peer, session_id)
        return _answer(wire.Nothing())

    async def secret_names(self, http_request: HttpRequest) -> HttpResponse:
        """List the names."""
        return _answer(await self._service.secret_names(http_request.peer))

    async def secret_set(self, http_request: HttpRequest, name: str) -> HttpResponse:
        """Store one."""
        body = _required(http_request.body, wire.SecretValue)
        return _answer(
            await self._service.secret_set(http_request.peer, check_secret_name(name), body)
        )

    async def secret_allow(self, http_request: HttpRequest, name: str) -> HttpResponse:
        """Bind one again."""
        return _answer(await self._service.secret_allow(http_request.peer, check_secret_name(name)))

    async def secret_give_back(self, http_request: HttpRequest, name: str) -> HttpResponse:
        """Give one back."""
        return _answer(
            await self._service.secret_give_back(http_request.peer, check_secret_name(name))
        )

    async def secret_origin_remove(self, http_request: HttpRequest, name: str) -> HttpResponse:
        """Give one back no more."""
        return _answer(
            await self._service.secret_origin_remove(http_request.peer, check_secret_name(name))
        )

    async def secret_remove(self, http_request: HttpRequest, name: str) -> HttpResponse:
        """Forget one."""
        return _answer(
            await self._service.secret_remove(http_request.peer, check_secret_name(name))
        )


MANAGE_ROUTES: tuple[Route, ...] = (
    Route(
        verb="POST",
        path="/v1/grants/{name}/login",
        call=ManageApi.login,
        summary="Start a login, or join the current one",
        body=wire.LoginStart,
        answer=wire.LoginStarted,
    ),
    Route(
        verb="POST",
        path="/v1/grants/{name}/check",
        call=ManageApi.check,
        summary="Ask its server whether people can log in there",
    ),
    Route(
        verb="DELETE",
        path="/v1/grants/{name}/login",
        call=ManageApi.cancel_of,
        summary="Cancel the current login, wherever it was started",
        answer=wire.LoginGivenUp,
    ),
    Route(
        verb="GET",
        path="/v1/logins/{id}/events",
        call=ManageApi.events,
        summary="The events of a login, one JSON line each",
        query=("after", "timeout"),
        media="application/x-ndjson",
    ),
    Route(
        verb="POST",
        path="/v1/logins/{id}/answer",
        call=ManageApi.answer,
        summary="What the user typed",
        body=wire.LoginAnswer,
        status=202,
    ),
    Route(
        verb="DELETE",
        path="/v1/logins/{id}",
        call=ManageApi.cancel,
        summary="Cancel a login",
        status=202,
    ),
    Route(
        verb="POST",
        path="/v1/grants/{name}/grant",
        call=ManageApi.import_grant,
        summary="Hand over an existing refresh token for good",
        body=wire.GrantImport,
        answer=wire.GrantGiven,
    ),
    *(
        Route(
            verb="POST",
            path=f"/v1/grants/{{name}}/{word}",
            call=ManageApi.logout,
            summary="Revoke a grant upstream where possible, and forget it",
            answer=wire.GrantDropped,
        )
        for word in ("logout", "revoke")
    ),
    Route(
        verb="POST",
        path="/v1/revoke-all",
        call=ManageApi.revoke_all,
        summary="Revoke what can be revoked, then drop every grant and token",
        answer=wire.Dropped,
    ),
    Route(
        verb="POST",
        path="/v1/lock",
        call=ManageApi.lock,
        summary="Lock the store with a passphrase",
        body=wire.Passphrase,
    ),
    Route(
        verb="POST",
        path="/v1/unlock",
        call=ManageApi.unlock,
        summary="Unlock the store",
        body=wire.Passphrase,
    ),
    Route(
        verb="GET",
        path="/v1/choices",
        call=ManageApi.choices,
        summary="What was chosen for callers that name no credential",
        answer=wire.ChoiceList,
    ),
    Route(
        verb="POST",
        path="/v1/choices",
        call=ManageApi.choose,
        summary="Keep or forget such a choice",
        body=wire.ChoiceChange,
        answer=wire.ChoiceList,
    ),
    Route(
        verb="POST",
        path="/v1/sessions",
        call=ManageApi.begin_session,
        summary="Open endpoints of the asking process, which end with it",
        body=wire.SessionStart,
        answer=wire.Session,
    ),
    Route(
        verb="DELETE",
        path="/v1/sessions/{id}",
        call=ManageApi.end_session,
        summary="Close the endpoints of a session before its process ends",
    ),
    Route(
        verb="GET",
        path="/v1/secrets",
        call=ManageApi.secret_names,
        summary="Names of stored secrets, and what each is bound to",
        answer=wire.SecretNames,
    ),
    Route(
        verb="PUT",
        path="/v1/secrets/{name}",
        call=ManageApi.secret_set,
        summary="Store a secret",
        body=wire.SecretValue,
        answer=wire.SecretKept,
    ),
    Route(
        verb="POST",
        path="/v1/secrets/{name}/allow",
        call=ManageApi.secret_allow,
        summary="Bind a secret to its use in the current configuration",
        answer=wire.SecretAllowed,
    ),
    Route(
        verb="POST",
        path="/v1/secrets/{name}/give-back",
        call=ManageApi.secret_give_back,
        summary="A secret that was taken out of a file, to write it there again",
        answer=wire.SecretGivenBack,
    ),
    Route(
        verb="DELETE",
        path="/v1/secrets/{name}/origin",
        call=ManageApi.secret_origin_remove,
        summary="A secret is in its file again, and is not given back any more",
        answer=wire.SecretKept,
    ),
    Route(
        verb="DELETE",
        path="/v1/secrets/{name}",
        call=ManageApi.secret_remove,
        summary="Forget a secret",
        answer=wire.SecretKept,
    ),
)


def _answer(body: msgspec.Struct, status: int = 200) -> HttpResponse:
    return HttpResponse(status=status, body=wire.encode(body))


def _required(body: bytes | bytearray, shape: type[_S]) -> _S:
    if not body:
        raise BrokerError(Kind.BAD_REQUEST, f"the body is missing: send a {shape.__name__}")
    return read_body(body, shape)
