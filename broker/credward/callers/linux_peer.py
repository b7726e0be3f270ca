"""The other end of a connection on Linux: held by its process handle, checked for each request.

Reading one fact is up to `linux`, walking up to `ancestry`, the marks of harnesses to `marks`.
"""

from __future__ import annotations

import os
import resource
import socket

import msgspec

from credward.callers import linux
from credward.callers.ancestry import below, walk
from credward.callers.caller import Caller, Executable, Handle
from credward.callers.chains import Chains
from credward.callers.looking import Looker
from credward.callers.marks import MarkReader
from credward.callers.mounts import MountTable
from credward.errors import BrokerError, Kind

__all__ = ["Connected", "LinuxIdentifier", "LinuxPeer"]

# Ancestors that are kept; each takes three descriptors.
_KEPT = 32
# With few descriptors, one in so many may be used for ancestors (`RLIMIT_NOFILE`).
_SHARE = 32


class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel said at `accept`; *handle* is a pidfd of the *kind*, if there is one."""

    uid: int
    gid: int | None
    pid: int | None
    handle: int | None
    kind: Handle | None


class LinuxPeer:
    """Who connected; the handle is closed with it.

    The program is pinned once, as soon as the door has to wait: one that is replaced later is no
    longer attested. An exec between `connect` and this cannot be detected.
    """

    def __init__(
        self,
        connected: Connected,
        *,
        processes: linux.Processes,
        chains: Chains,
        marks: MarkReader,
        own_uid: int,
        relays_above: bool,
    ) -> None:
        self._own_uid = own_uid
        self.uid, self.gid, self.pid = connected.uid, connected.gid, connected.pid
        self._handle, self._kind = connected.handle, connected.kind
        self._processes = processes
        self._chains = chains
        self._marks = marks
        self._relays_above = relays_above
        self._is_pinned = False
        self._pinned: Executable | None = None
        self._start_time: int | None = None
        if self._kind not in {None, "peerpidfd"} and self.pid is not None:
            stat = processes.stat(self.pid)
            # Not the start time of any process.
            self._start_time = -1 if stat is None else stat.start_time

    def pin(self) -> None:
        """Take note of the program that runs now."""
        if not self._is_pinned and self._handle is not None and self.pid is not None:
            self._is_pinned, self._pinned = True, self._processes.executable(self.pid)

    async def locate(self) -> None:
        """Nothing: the kernel said it at accept."""

    def identify(self) -> Caller:
        """Return the caller as it is now; raises `denied` if the process that connected is gone."""
        return self._look(by_chain=True)

    def _look(self, *, by_chain: bool) -> Caller:
        """Return the caller; *by_chain*: use known ancestors, after checking them again."""
        if self._handle is None or self.pid is None:
            return Caller(uid=self.uid, gid=self.gid, pid=self.pid)
        stat = self._processes.stat(self.pid)
        if stat is None or self._start_time not in {None, stat.start_time}:
            raise self._gone()
        executable = self._processes.executable(self.pid)
        if not self._is_pinned:
            self._is_pinned, self._pinned = True, executable
        # We get a name even if it proves nothing.
        path = linux.program_path(self.pid) if executable is None else executable.path
        if executable != self._pinned:
            # For good: nobody knows which program wrote on this connection meanwhile.
            executable = self._pinned = None
        above = None
        if by_chain and (executable is not None or not self._relays_above):
            above = self._chains.above(self.pid, stat)
        found = (
            below(self.pid, stat, path, above)
            if above is not None
            else walk(
                *(self.pid, stat, path, self._processes),
                seen=executable is not None,
                relays_above=self._relays_above,
            )
        )
        # Only now is it certain that all these facts are about the process that connected.
        self._check_alive()
        return Caller(
            uid=self.uid,
            gid=self.gid,
            pid=self.pid,
            start_time=stat.start_time,
            name=stat.name,
            handle=self._kind,
            executable=executable,
            agent=found.agent,
            harness=found.harness,
            relay=found.relay,
            ancestry_complete=found.complete,
            ancestors=found.ancestors,
        )

    async def identify_closely(self) -> Caller:
        """Return the caller, including the mark that a harness left in its environment.

        A separate program of ours does this in about 50 ms, so we use it only for what owners do. A
        process can remove its mark; an environment that cannot be read in time counts as an unknown
        harness.
        """
        # Check every ancestor: what owners do may take that time.
        caller = self._look(by_chain=False)
        if caller.harness is not None or caller.handle is None or self.pid is None:
            return caller
        if self.uid != self._own_uid:
            # The memory of other users cannot be read.
            return caller
        mark = await self._marks.read(self.pid)
        # Check again: it may have ended meanwhile, so that we read another process's environment.
        caller = self._look(by_chain=False)
        if mark is None or caller.harness is not None:
            return caller
        return msgspec.structs.replace(caller, harness=mark)

    def close(self) -> None:
        """Close the process handle."""
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


class LinuxIdentifier:
    """Opens peers. *own_uid* is the daemon's; policy decides what other uids may do.

    *looker* runs the programs that read environments.
    """

    def __init__(self, *, own_uid: int, user_mode: bool, looker: Looker) -> None:
        self._own_uid = own_uid
        self._user_mode = user_mode
        self._mounts = MountTable()
        self._processes = linux.Processes(self._mounts)
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _KEPT if limit == resource.RLIM_INFINITY else min(_KEPT, limit // _SHARE)
        self._chains = Chains(self._processes, most=most)
        self.descriptors = 3 * most
        self._marks = MarkReader(looker)

    def open(self, peer: socket.socket) -> LinuxPeer:
        """Ask the kernel who connected to this end."""
        pid, uid, gid = linux.peer_credentials(peer)
        handle, kind = _open_handle(peer, pid)
        # A process outside our pid namespace: it has no pid here.
        return self.peer_of(Connected(uid=uid, gid=gid, pid=pid or None, handle=handle, kind=kind))

    def peer_of(self, connected: Connected) -> LinuxPeer:
        """Return the peer that the kernel told of; it closes the handle."""
        try:
            return LinuxPeer(
                connected,
                processes=self._processes,
                chains=self._chains,
                marks=self._marks,
                own_uid=self._own_uid,
                relays_above=self._user_mode and connected.uid == self._own_uid,
            )
        except BaseException:
            if connected.handle is not None:
                os.close(connected.handle)
            raise

    def close(self) -> None:
        """Close the files that are kept open."""
        self._chains.close()
        self._mounts.close()


def _open_handle(peer: socket.socket, pid: int) -> tuple[int | None, Handle | None]:
    if pid == 0:
        return None, None
    try:
        handle = linux.peer_handle(peer)
    except OSError:
        return None, None
    if handle is not None:
        return handle, "peerpidfd"
    # Kernel before 6.5: the pid may have been reused since accept, so this proves less; from now on
    # the start time pins it.
    try:
        return os.pidfd_open(pid), "pidfd_open"
    except OSError:
        return None, None
