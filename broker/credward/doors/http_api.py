"""The socket API on loopback, for containers and virtual machines that cannot share a socket.

A client that shows the bearer of the endpoint may ask for tokens of its credentials, and for
nothing else: no states, no logins, no managing. `Caller.limited_to` holds that for the decision as
well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from credward.doors.guard import check_secret
from credward.doors.unix_api.problems import render_problem
from credward.errors import BrokerError
from credward.formats.registry import FORMATS
from credward.http.messages import Handler, HttpRequest, HttpResponse, RefusedRequest
from credward.tokens import Secret

__all__ = ["HttpApi"]

# What Docker Desktop, Podman and Lima call this machine inside of theirs (`remote` knows the same).
_NAMES = ("host.docker.internal", "host.containers.internal", "host.lima.internal")
_PATHS = frozenset({"/v1/health", "/v1/ready"})
_CREDENTIALS = "/v1/credentials/"
_ACTIONS = frozenset({"refresh", "rejected"})


class HttpApi:
    """Passes on to *socket_api* what is about tokens."""

    addresses: Collection[str] = ()
    names: Collection[str] = _NAMES

    def __init__(self, socket_api: Handler, secret: Secret) -> None:
        self._socket_api = socket_api
        self._secret = secret

    async def answer(self, http_request: HttpRequest) -> HttpResponse:
        """Answer as at the socket."""
        # RFC 6750, 2.1
        check_secret(http_request, "Authorization", self._secret, scheme="Bearer")
        if not _is_offered(http_request.path):
            raise RefusedRequest(
                404, "this endpoint hands out tokens only: ask at the daemon's own socket"
            )
        answer = self._socket_api(http_request)
        return answer if isinstance(answer, HttpResponse) else await answer

    def render_error(self, error: BrokerError, headers: Mapping[str, str]) -> HttpResponse:
        """Return a failure as at the socket; one about the bearer names the scheme (RFC 9110)."""
        answer = render_problem(error, headers)
        if answer.status == 401:
            answer.headers = (*answer.headers, ("WWW-Authenticate", "Bearer"))
        return answer


def _is_offered(path: str) -> bool:
    if path in _PATHS:
        return True
    name, slash, last = path.removeprefix(_CREDENTIALS).partition("/")
    return path.startswith(_CREDENTIALS) and bool(name and slash) and last in {*FORMATS, *_ACTIONS}
