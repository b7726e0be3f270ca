"""The endpoints of the configuration: opened, closed as it changes, tried again where that failed.

Each is one or two doors (`doors.endpoint`); a port that is in use costs that endpoint, not the
daemon.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial

import msgspec

from credward.administering.endpoint_views import EndpointView
from credward.config import EndpointConfig
from credward.daemon.held_endpoint import RETRY, HeldEndpoint
from credward.doors.endpoint import OpenedEndpoint

__all__ = ["Endpoints"]

_log = logging.getLogger(__name__)


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
        self._held: dict[EndpointConfig, HeldEndpoint] = {}
        # Of these the log has said that nothing asks for them.
        self._unused: set[int] = set()
        self._closed = False
        # One change at a time: a reload may come while another one closes doors.
        self._changing = asyncio.Lock()

    async def follow(self) -> None:
        """Open and close what the configuration in force says."""
        async with self._changing:
            if self._closed:
                return
            wanted = {_key(each): each for each in self._configured()}
            gone = [each for key, each in self._held.items() if key not in wanted]
            await asyncio.gather(*(each.close() for each in gone))
            self._held = {
                key: self._held.get(key) or HeldEndpoint(endpoint, partial(self._make, endpoint))
                for key, endpoint in wanted.items()
            }
            for each in self._held.values():
                if each.opened is None:
                    await each.begin()
            unused = set(self._activated) - {each.port for each in wanted}
            for port in sorted(unused - self._unused):
                _log.warning(
                    "the service manager opened port %d, and no [[endpoints]] has it", port
                )
            self._unused = unused

    async def watch(self) -> None:
        """Try again what could not be opened: a port may be free by now."""
        while True:
            await asyncio.sleep(RETRY)
            if any(each.opened is None for each in self._held.values()):
                await self.follow()

    async def close(self) -> None:
        """Close them all, once their running answers are finished."""
        async with self._changing:
            self._closed = True
            await asyncio.gather(*(each.close() for each in self._held.values()))
            self._held = {}

    def views(self) -> list[EndpointView]:
        """Return the state of each, in the order of the configuration."""
        return [each.view() for each in self._held.values()]


def _key(endpoint: EndpointConfig) -> EndpointConfig:
    """Return *endpoint* without its place, which other changes of the file move."""
    return msgspec.structs.replace(endpoint, origin="")
