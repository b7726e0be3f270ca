"""Who is at the other end of a connection: opened at accept, identified anew for each request.

Reads facts; what they permit is `policy`. On macOS only uid, gid and pid are known yet, so every
caller there is unattested.
"""

from __future__ import annotations

import os
import socket
import sys

from credward.callers import ancestry, linux, macos
from credward.callers.caller import Caller, Handle
from credward.callers.programs import MARKS
from credward.errors import BrokerError, Kind

__all__ = ["Peer", "PeerIdentifier", "attestation_report"]


class Peer:
    """One connection's other end; *handle* is a pidfd that is closed with it."""

    def __init__(
        self,
        *,
        uid: int,
        gid: int,
        pid: int | None,
        handle: int | None = None,
        kind: Handle | None = None,
        files: linux.StatFiles | None = None,
    ) -> None:
        self._files = files or linux.StatFiles()
        self.uid = uid
        self.gid = gid
        self.pid = pid
        self._handle = handle
        self._kind = kind
        self._start_time: int | None = None
        self._ancestors: tuple[int, ...] = ()
        if handle is not None and pid is not None and (stat := linux.read_stat(pid)) is not None:
            self._start_time = stat.start_time

    def identify(self) -> Caller:
        """Return the caller as it is now; raises `denied` if the one who connected is gone."""
        self._ancestors = ()
        if self._handle is None or self.pid is None:
            return Caller(uid=self.uid, gid=self.gid, pid=self.pid)
        self._check_alive()
        stat = linux.read_stat(self.pid)
        if stat is None or stat.start_time != self._start_time:
            raise self._gone()
        file = linux.executable(self.pid)
        if file is not None and linux.mount_namespace(self.pid) != _OWN_NAMESPACE:
            # A path of another root means nothing here, however familiar it reads.
            file = None
        above = ancestry.walk(self.pid, stat, self._files)
        # Only now is it certain that all of that was about the process that connected.
        self._check_alive()
        self._ancestors = above.pids
        return Caller(
            uid=self.uid,
            gid=self.gid,
            pid=self.pid,
            start_time=stat.start_time,
            handle=self._kind,
            executable=file,
            agent=above.agent,
            harness=above.harness,
            ancestry_complete=above.complete,
        )

    def marked_by(self) -> str | None:
        """Return the harness that the caller's own environment names; it may have been changed."""
        if sys.platform != "linux" or self._handle is None or self.pid is None:
            return None
        if self.uid != os.geteuid():
            # Reading another's memory can be made to take for ever.
            return None
        marks = linux.variables(self.pid, MARKS)
        self._check_alive()
        return min((MARKS[mark] for mark in marks), default=None)

    def ancestor_pids(self) -> tuple[int, ...]:
        """Return the pids above the caller, nearest first, as of the last `identify`."""
        return self._ancestors

    def close(self) -> None:
        """Give the process handle back."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _check_alive(self) -> None:
        if self._handle is None or linux.is_dead(self._handle):
            raise self._gone()

    def _gone(self) -> BrokerError:
        return BrokerError(
            Kind.DENIED, f"process {self.pid}, which opened this connection, has ended"
        )


class PeerIdentifier:
    """Opens peers. *own_uid* is the daemon's; what other uids may do is for policy to say."""

    def __init__(self, *, own_uid: int) -> None:
        self.own_uid = own_uid
        self._files = linux.StatFiles()

    def open(self, peer: socket.socket) -> Peer:
        """Ask the kernel who connected to this end."""
        if sys.platform != "linux":
            uid, gid, pid = macos.peer_credentials(peer)
            return Peer(uid=uid, gid=gid, pid=pid)
        pid, uid, gid = linux.peer_credentials(peer)
        if pid == 0:
            # A process outside of our pid namespace: the kernel has no number for it here.
            return Peer(uid=uid, gid=gid, pid=None)
        handle, kind = _open_handle(peer, pid)
        return Peer(uid=uid, gid=gid, pid=pid, handle=handle, kind=kind, files=self._files)


def attestation_report() -> str:
    """Return `full`, or why callers are seen less well than they could be."""
    if sys.platform != "linux":
        return "degraded (only uid and pid are known on this system)"
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        handle = linux.peer_handle(left)
    if handle is None:
        return "degraded (kernel older than 6.5: process handles are opened by number)"
    os.close(handle)
    if linux.read_stat(os.getppid()) is None and os.getppid() != 0:
        return "degraded (other processes are hidden in /proc)"
    return "full"


def _open_handle(peer: socket.socket, pid: int) -> tuple[int | None, Handle | None]:
    handle = linux.peer_handle(peer)
    if handle is not None:
        return handle, "peerpidfd"
    # Kernel before 6.5: between accept and here the pid may have changed hands, so this counts
    # for less; the start time pins it from here on.
    try:
        return os.pidfd_open(pid), "pidfd_open"
    except OSError:
        return None, None


_OWN_NAMESPACE = linux.mount_namespace("self") if sys.platform == "linux" else None
