"""The endpoint that AWS SDKs ask in containers: `AWS_CONTAINER_CREDENTIALS_FULL_URI`.

One GET with the secret in `Authorization`, verbatim; an SDK tries three times, two seconds each
(AWS SDKs and Tools Reference Guide, "Container credential provider").
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from credward.clock import Clock
from credward.doors.aws import Roles
from credward.doors.endpoint import Asking, no_such_path, only_verb
from credward.doors.guard import check_secret
from credward.errors import BrokerError
from credward.formats.aws_keys import container_answer
from credward.http.messages import HttpRequest, HttpResponse, status_of
from credward.tokens import Secret

__all__ = ["AwsContainer"]

# Where ECS and EKS have it; a rule of the network may send these to us.
_ADDRESSES = ("169.254.170.2", "169.254.170.23")
_PATIENCE = 2.0


class AwsContainer:
    """Answers `/` with the usual credential, and `/NAME` with each of the endpoint."""

    addresses: Collection[str] = _ADDRESSES
    names: Collection[str] = ()

    def __init__(self, asking: Asking, secret: Secret, clock: Clock) -> None:
        self._roles = Roles(
            asking, clock, door="aws-container", shape=container_answer, patience=_PATIENCE
        )
        self._secret = secret

    async def answer(self, http_request: HttpRequest) -> HttpResponse:
        """Answer with the keys of the credential that the path names."""
        only_verb(http_request, "GET")
        check_secret(http_request, "Authorization", self._secret)
        name = http_request.path.removeprefix("/")
        if not name:
            if not (known := self._roles.known):
                raise no_such_path()
            name = known[0].name
        return await self._roles.keys(http_request, name)

    def render_error(self, error: BrokerError, _headers: Mapping[str, str]) -> HttpResponse:
        """Return a failure with the two members that SDKs show."""
        status = status_of(error)
        body = {"code": error.kind.slug, "message": error.message}
        return HttpResponse(status=status, body=msgspec.json.encode(body))
