"""What the two endpoints of AWS share: which role, and the way to its keys."""

from __future__ import annotations

from collections.abc import Callable

from credward.clock import Clock
from credward.config import CredentialConfig
from credward.doors.endpoint import Asking, handed_out, no_such_path
from credward.formats.aws_keys import MIN_REMAINING
from credward.http.messages import HttpRequest, HttpResponse
from credward.tokens import Token, TokenRequest

__all__ = ["Roles"]

Shape = Callable[[Token, str, float], bytearray]


class Roles:
    """Each credential of the endpoint is a role, called as in the configuration.

    *door* is the word for the audit log, *shape* how its keys are written, *patience* how long a
    client waits (seconds).
    """

    def __init__(
        self, asking: Asking, clock: Clock, *, door: str, shape: Shape, patience: float
    ) -> None:
        self._asking = asking
        self._clock = clock
        self._door = door
        self._shape = shape
        self._patience = patience

    @property
    def known(self) -> list[CredentialConfig]:
        """The roles that are configured now, the usual one first."""
        return self._asking.credentials

    async def keys(self, http_request: HttpRequest, name: str) -> HttpResponse:
        """Answer with the keys of a role."""
        if name not in {each.name for each in self.known}:
            raise no_such_path()
        released = await self._asking.token(
            http_request,
            TokenRequest(
                credential=name,
                format=self._door,
                min_remaining=MIN_REMAINING,
                timeout=self._patience,
            ),
        )
        now = self._clock.now()
        return handed_out(released, lambda token: self._shape(token, released.credential.name, now))
