"""Who is at the other end of a connection: opened at accept, identified again for each request.

Chooses the code for this system; `linux`, `linux_peer` and `macos` read the facts, `policy` decides
what they permit.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Collection
from typing import Protocol

from credward.callers import linux
from credward.callers.ancestry import ProcessTable
from credward.callers.linux import Processes
from credward.callers.linux_peer import LinuxIdentifier
from credward.callers.looking import Looker
from credward.callers.loopback_peer import LoopbackIdentifier
from credward.callers.macos import LibProc, MacIdentifier, MacProcesses
from credward.callers.mounts import MountTable
from credward.callers.peer import Peer
from credward.errors import BrokerError, Kind

__all__ = [
    "LoopbackPeers",
    "PeerIdentifier",
    "loopback_peers",
    "peer_identifier",
    "process_table",
    "working_folder",
]


class PeerIdentifier(Protocol):
    """Opens peers."""

    @property
    def descriptors(self) -> int:
        """How many descriptors it may keep open besides those of its peers."""
        ...

    def open(self, peer: socket.socket) -> Peer:
        """Ask the kernel who connected to this end."""
        ...


class LoopbackPeers(Protocol):
    """Opens the peers of endpoints on loopback."""

    @property
    def tell(self) -> bool:
        """Whether the kernel says whose a socket is; else nobody gets in."""
        ...

    def open(
        self,
        peer: socket.socket,
        /,
        door: str,
        limited_to: tuple[str, ...] | None = None,
        only_uid: int | None = None,
    ) -> Peer:
        """Ask the kernel who connected to *door*; raises `denied` for users it is not for.

        *limited_to* as in `Caller`. *only_uid*: it is for this user alone.
        """
        ...


class _Nobody:
    """Where the kernel does not say whose a socket is, nobody gets in."""

    tell = False

    def open(
        self,
        _peer: socket.socket,
        /,
        door: str,
        limited_to: tuple[str, ...] | None = None,
        only_uid: int | None = None,
    ) -> Peer:
        del limited_to, only_uid
        raise BrokerError(Kind.DENIED, f"nobody can tell here who connected to {door}: use Linux")


def loopback_peers(peers: PeerIdentifier, served: Callable[[], Collection[int]]) -> LoopbackPeers:
    """Return the opener of peers for endpoints; *served* returns the users that they are for."""
    return LoopbackIdentifier(peers, served) if isinstance(peers, LinuxIdentifier) else _Nobody()


def peer_identifier(*, own_uid: int, user_mode: bool, looker: Looker) -> PeerIdentifier:
    """Return the opener of peers for this system.

    *own_uid* is the daemon's. With *user_mode* a relay above one of its processes counts: in the
    other modes every ssh login of a served user has one above it.
    """
    if sys.platform == "linux":
        return LinuxIdentifier(own_uid=own_uid, user_mode=user_mode, looker=looker)
    return MacIdentifier(LibProc(), own_uid=own_uid, user_mode=user_mode)


def working_folder(pid: int) -> str | None:
    """Return the working directory of a process, None if it is hidden, deleted or gone.

    A claim of that process: it only selects among what it may have.
    """
    if sys.platform == "linux":
        return linux.working_folder(pid)
    return MacProcesses(LibProc()).folder(pid)


def process_table() -> ProcessTable:
    """Return the processes of this system, for code that looks at its own ancestors."""
    if sys.platform == "linux":
        return Processes(MountTable())
    return MacProcesses(LibProc())
