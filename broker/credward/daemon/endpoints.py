"""The endpoints of the configuration: opened, closed as it changes, tried again where that failed.

Each is one or two doors (`doors.endpoint`); a port that is in use costs that endpoint, not the
daemon.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence

import msgspec

from credward.administering.endpoint_views import EndpointView
from credward.config import EndpointConfig
from credward.daemon.listener import Listener
from credward.doors.endpoint import OpenedEndpoint
from credward.errors import BrokerError, Failure

__all__ = ["Endpoints"]

_log = logging.getLogger(__name__)

# How soon an endpoint is tried again that could not be opened (seconds).
_AGAIN = 5.0


class _Kept(msgspec.Struct):
    """One endpoint of the configuration: what is open of it, or why nothing is."""

    endpoint: EndpointConfig
    opened: OpenedEndpoint | None = None
    listeners: Sequence[Listener] = ()
    failure: Failure | None = None


class Endpoints:
    """*configured* returns what should be open, *make* opens the sockets of one.

    *activated*: ports that the service manager opened.
    """

    def __init__(
        self,
        configured: Callable[[], Sequence[EndpointConfig]],
        make: Callable[[EndpointConfig], OpenedEndpoint],
        activated: Collection[int] = (),
    ) -> None:
        self._configured = configured
        self._make = make
        self._activated = activated
        self._kept: dict[EndpointConfig, _Kept] = {}
        # One change at a time: a reload may come while another one closes doors.
        self._changing = asyncio.Lock()

    async def follow(self) -> None:
        """Open and close what the configuration in force says."""
        async with self._changing:
            wanted = {_key(each): each for each in self._configured()}
            gone = [each for key, each in self._kept.items() if key not in wanted]
            await asyncio.gather(*(self._close(each) for each in gone))
            self._kept = {
                key: self._kept.get(key) or _Kept(endpoint) for key, endpoint in wanted.items()
            }
            for each in self._kept.values():
                if each.opened is None:
                    await self._open(each)
            for port in sorted(set(self._activated) - {each.port for each in wanted}):
                _log.warning(
                    "the service manager opened port %d, and no [[endpoints]] has it", port
                )

    async def watch(self) -> None:
        """Try again what could not be opened: a port may be free by now."""
        while True:
            await asyncio.sleep(_AGAIN)
            if any(each.opened is None for each in self._kept.values()):
                await self.follow()

    async def close(self) -> None:
        """Close them all, once their running answers are finished."""
        async with self._changing:
            await asyncio.gather(*(self._close(each) for each in self._kept.values()))
            self._kept = {}

    def views(self) -> list[EndpointView]:
        """Return the state of each, in the order of the configuration."""
        return [
            EndpointView(
                endpoint=each.endpoint,
                port=None if each.opened is None else each.opened.port,
                secret_file=None if each.opened is None else each.opened.secret_file,
                failure=each.failure,
            )
            for each in self._kept.values()
        ]

    async def _open(self, kept: _Kept) -> None:
        try:
            kept.opened = self._make(kept.endpoint)
        except BrokerError as error:
            if kept.failure is None or kept.failure.message != error.message:
                _log.error("endpoint %s is not open: %s", kept.endpoint.name, error.message)
            kept.failure = error.failure
            return
        kept.failure = None
        kept.listeners = [Listener(door) for door in kept.opened.doors]
        for listener in kept.listeners:
            await listener.open()
        _log.info("endpoint %s at port %d", kept.endpoint.name, kept.opened.port)

    async def _close(self, kept: _Kept) -> None:
        await asyncio.gather(*(each.close() for each in kept.listeners))


def _key(endpoint: EndpointConfig) -> EndpointConfig:
    """Return *endpoint* without its place, which other changes of the file move."""
    return msgspec.structs.replace(endpoint, origin="")
