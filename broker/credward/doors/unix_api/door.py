"""The socket API as a door: the socket file, the kernel's answer to who connects, the routes."""

from __future__ import annotations

from pathlib import Path, PurePath

from credward.callers.identify import PeerIdentifier
from credward.config import ListenConfig
from credward.doors.door import Door
from credward.doors.unix_api.inputs import is_plain
from credward.doors.unix_api.listen import bind_socket
from credward.doors.unix_api.problems import render_problem
from credward.doors.unix_api.routes import Services, build_handler
from credward.http.limits import Limits

__all__ = ["unix_api"]


def unix_api(
    *,
    path: Path,
    listen: ListenConfig,
    peers: PeerIdentifier,
    services: Services,
    home: PurePath | None,
) -> Door:
    """Return the door at *path*; *home* as in `build_handler`."""
    return Door(
        name="credward",
        address=str(path),
        make_opening=lambda: bind_socket(path, listen.mode, group=listen.group),
        open_peer=peers.open,
        handler=build_handler(services, home),
        render_error=render_problem,
        is_plain=is_plain,
        limits=Limits(spare_descriptors=Limits().spare_descriptors + peers.descriptors),
    )
