"""The other end of a loopback connection on Linux: the kernel's word for its socket.

sock_diag says whose the socket is, at accept. Which process holds it is looked up before the first
request (`locate`) and checked again for each one; what is known of that process, and of those above
it, is up to `linux_peer`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Callable, Collection
from contextlib import suppress

import msgspec

from credward.callers.caller import Caller
from credward.callers.linux_peer import Connected, LinuxIdentifier, LinuxPeer
from credward.callers.sock_diag import socket_facts
from credward.callers.socket_owner import SocketHolder, find_holder, holds
from credward.errors import BrokerError, Kind

__all__ = ["LoopbackIdentifier", "LoopbackPeer"]


class LoopbackPeer:
    """Who connected to an endpoint on loopback; *inode* is the socket of the client.

    *stranger* is what is known where the process is not.
    """

    def __init__(
        self, stranger: Caller, inode: int, peer_of: Callable[[Connected], LinuxPeer]
    ) -> None:
        self.uid = stranger.uid
        self.pid: int | None = None
        self._inode = inode
        self._stranger = stranger
        self._peer_of = peer_of
        self._holder: SocketHolder | None = None
        self._process: LinuxPeer | None = None

    def pin(self) -> None:
        """Nothing: the process is not known before `locate`, which pins its program."""

    async def locate(self) -> None:
        """Find the process that holds the socket, unless it is known and still holds it.

        This looks at all processes of the user, so it takes some milliseconds, in a thread.
        """
        if self._holder is not None and holds(self._holder, self._inode):
            return
        self._forget()
        holder = await asyncio.to_thread(find_holder, self._inode, self.uid)
        if holder is not None and (process := self._held_by(holder)) is not None:
            self._holder, self._process = holder, process
            process.pin()

    def identify(self) -> Caller:
        """Return the caller as it is now; raises `denied` if the process has ended."""
        return self._at_the_door(None if self._process is None else self._process.identify())

    async def identify_closely(self) -> Caller:
        """Return the caller with the marks in its environment."""
        process = self._process
        return self._at_the_door(None if process is None else await process.identify_closely())

    def close(self) -> None:
        """Close the handle of the process."""
        self._forget()

    def _at_the_door(self, caller: Caller | None) -> Caller:
        # Asked after the process was looked at: so it held the socket all the time.
        if caller is None or self._holder is None or not holds(self._holder, self._inode):
            return self._stranger
        return msgspec.structs.replace(
            caller, door=self._stranger.door, limited_to=self._stranger.limited_to
        )

    def _held_by(self, holder: SocketHolder) -> LinuxPeer | None:
        """Return the process of *holder*; None if it no longer holds the socket."""
        path, handle = f"/proc/{holder.pid}", None
        with suppress(OSError):
            handle = os.pidfd_open(holder.pid)
            gid = os.stat(path).st_gid  # noqa: PTH116 - a fact of the kernel, no file of a user
            # Asked after we had the handle: so it is that process, not a later owner of its pid.
            if holds(holder, self._inode):
                connected = Connected(
                    uid=self.uid, gid=gid, pid=holder.pid, handle=handle, kind="socket_inode"
                )
                return self._peer_of(connected)
        if handle is not None:
            os.close(handle)
        return None

    def _forget(self) -> None:
        if self._process is not None:
            self._process.close()
        self._holder = self._process = None


class LoopbackIdentifier:
    """Opens the peers of all endpoints. *served* returns the users that may connect."""

    tell = True

    def __init__(self, processes: LinuxIdentifier, served: Callable[[], Collection[int]]) -> None:
        self._processes = processes
        self._served = served

    def open(
        self,
        peer: socket.socket,
        /,
        door: str,
        limited_to: tuple[str, ...] | None = None,
        only_uid: int | None = None,
    ) -> LoopbackPeer:
        """Ask the kernel whose socket is at the other end; raises `denied` for other users."""
        theirs, ours = peer.getpeername(), peer.getsockname()
        if not (_is_loopback(theirs[0]) and _is_loopback(ours[0])):
            raise BrokerError(Kind.DENIED, "this endpoint is for this machine only")
        facts = socket_facts(theirs, ours)
        if facts is None:
            raise BrokerError(Kind.DENIED, "the socket that connected is closed already")
        if facts.uid not in self._served() or only_uid not in {None, facts.uid}:
            raise BrokerError(Kind.DENIED, f"this endpoint is not for uid {facts.uid}")
        stranger = Caller(uid=facts.uid, gid=None, pid=None, door=door, limited_to=limited_to)
        return LoopbackPeer(stranger, facts.inode, self._processes.peer_of)


def _is_loopback(host: str) -> bool:
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
