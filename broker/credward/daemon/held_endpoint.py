"""One endpoint as the daemon holds it: open, or with the reason why it is not.

`endpoints` holds those of the configuration, `sessions` those of single processes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from credward.administering.endpoint_views import EndpointView
from credward.config import EndpointConfig
from credward.daemon.listener import Listener
from credward.doors.endpoint import OpenedEndpoint
from credward.errors import BrokerError, Failure

__all__ = ["RETRY", "HeldEndpoint"]

_log = logging.getLogger(__name__)

# How soon an endpoint is tried again that could not be opened (seconds).
RETRY = 5.0


class HeldEndpoint:
    """*make* opens its sockets; raises `BrokerError`. *pid* as in `EndpointView`."""

    def __init__(
        self,
        endpoint: EndpointConfig,
        make: Callable[[], OpenedEndpoint],
        *,
        pid: int | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.opened: OpenedEndpoint | None = None
        self.failure: Failure | None = None
        self._make = make
        self._pid = pid
        self._listeners: Sequence[Listener] = ()
        self._closed = False
        # To close it waits for what opens it, or that would go on with sockets of its own.
        self._changing = asyncio.Lock()

    async def begin(self) -> None:
        """Open it; if that fails, `failure` says why. Nothing if it was closed."""
        async with self._changing:
            if not self._closed:
                await self._open()

    async def close(self) -> None:
        """Close it for good, once its running answers are finished."""
        async with self._changing:
            self._closed = True
            await asyncio.gather(*(each.close() for each in self._listeners))

    async def _open(self) -> None:
        try:
            # It waits for the disk, where there is a secret.
            self.opened = await asyncio.to_thread(self._make)
        except BrokerError as error:
            if self.failure is None or self.failure.message != error.message:
                _log.error("endpoint %s is not open: %s", self.endpoint.name, error.message)
            self.failure = error.failure
            return
        self.failure = None
        self._listeners = [Listener(door) for door in self.opened.doors]
        for listener in self._listeners:
            await listener.open()
        _log.info("endpoint %s at port %d", self.endpoint.name, self.opened.port)

    def view(self) -> EndpointView:
        """Return its state."""
        return EndpointView(
            endpoint=self.endpoint,
            port=None if self.opened is None else self.opened.port,
            secret_file=None if self.opened is None else self.opened.secret_file,
            failure=self.failure,
            pid=self._pid,
        )
