"""Who is at the other end of a connection: opened at accept, identified anew for each request.

Chooses what this system has; the facts are read in `linux`, `linux_peer` and `macos`, what they
permit is `policy`.
"""

from __future__ import annotations

import socket
import sys
from typing import Protocol

from credward.callers.ancestry import ProcessTable
from credward.callers.linux import Processes
from credward.callers.linux_peer import LinuxIdentifier
from credward.callers.macos import LibProc, MacIdentifier, MacProcesses
from credward.callers.mounts import MountTable
from credward.callers.peer import Peer

__all__ = ["PeerIdentifier", "peer_identifier", "process_table"]


class PeerIdentifier(Protocol):
    """Opens peers."""

    @property
    def descriptors(self) -> int:
        """How many it may keep open beside those of its peers."""
        ...

    def open(self, peer: socket.socket) -> Peer:
        """Ask the kernel who connected to this end."""
        ...


def peer_identifier(*, own_uid: int, user_mode: bool) -> PeerIdentifier:
    """Return what opens peers on this system.

    *own_uid* is the daemon's. With *user_mode* a relay above one of its own processes counts: in
    the other modes every ssh login of a user who is served has one above it.
    """
    if sys.platform == "linux":
        return LinuxIdentifier(own_uid=own_uid, user_mode=user_mode)
    return MacIdentifier(LibProc(), own_uid=own_uid, user_mode=user_mode)


def process_table() -> ProcessTable:
    """Return the processes of this system, for who looks at those above itself."""
    if sys.platform == "linux":
        return Processes(MountTable())
    return MacProcesses(LibProc())
