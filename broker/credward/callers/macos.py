"""The other end of a connection on macOS: what the socket says, and what libproc says of processes.

Written from Apple's open kernel headers and tested against a fake of these calls; not run on a Mac
by us. So no program counts as attested: a name can make a rule forbid, never permit.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Protocol

from credward.callers.ancestry import Stat, walk
from credward.callers.caller import Caller
from credward.errors import BrokerError, Kind

__all__ = [
    "Kernel",
    "LibProc",
    "MacIdentifier",
    "MacPeer",
    "MacProcesses",
    "peer_credentials",
    "peer_process",
]

# bsd/sys/un.h
_SOL_LOCAL = 0
_LOCAL_PEERCRED = 0x001
_LOCAL_PEERPID = 0x002
_LOCAL_PEERTOKEN = 0x006
# bsd/sys/ucred.h, struct xucred: version, uid, number of groups, 16 groups.
_XUCRED = struct.Struct("=IIh2x16I")
_PID = struct.Struct("=i")
# osfmk/mach/message.h, audit_token_t: the sixth word is the pid, the eighth the version of it.
_TOKEN = struct.Struct("=8I")
# bsd/sys/proc_info.h. These two are answered about processes of every user (proc_info.c), where
# PROC_PIDTBSDINFO is not: `login`, which is root's, stands above the shells of a terminal.
_PROC_PIDT_SHORTBSDINFO = 13
_PROC_PIDUNIQIDENTIFIERINFO = 17
_PROC_PIDVNODEPATHINFO = 9
# struct proc_vnodepathinfo: for the working directory and for the root a struct vnode_info and a
# path.
_VNODE_INFO, _FOLDERS = 152, 2 * (152 + 1024)
# struct proc_bsdshortinfo: pid, parent, group, status, name; flags, ids and a reserve.
_SHORT = struct.Struct("=4I16s8I")
# struct proc_uniqidentifierinfo (proc_info_private.h): uuid of the image, a number that is given
# once, that of the parent, version of the pid (new with each fork and exec), reserves.
_IDENTITY = struct.Struct("=16sQQI20x")
_LONGEST_PATH = 4096


class Kernel(Protocol):
    """The calls that we make; None for a process that is hidden or gone."""

    def short_info(self, pid: int) -> bytes | None:
        """Return a `struct proc_bsdshortinfo`."""
        ...

    def identity(self, pid: int) -> bytes | None:
        """Return a `struct proc_uniqidentifierinfo`."""
        ...

    def path(self, pid: int) -> str | None:
        """Return the path of the program file."""
        ...

    def folders(self, pid: int) -> bytes | None:
        """Return a `struct proc_vnodepathinfo`."""
        ...


class LibProc:
    """The real calls (libproc.h)."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("/usr/lib/libproc.dylib", use_errno=True)
        self._library.proc_pidinfo.argtypes = (
            *(ctypes.c_int, ctypes.c_int, ctypes.c_uint64),
            *(ctypes.c_void_p, ctypes.c_int),
        )
        self._library.proc_pidpath.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32)

    def short_info(self, pid: int) -> bytes | None:
        """Return name and parent."""
        return self._info(pid, _PROC_PIDT_SHORTBSDINFO, _SHORT.size)

    def identity(self, pid: int) -> bytes | None:
        """Return what identifies the process."""
        return self._info(pid, _PROC_PIDUNIQIDENTIFIERINFO, _IDENTITY.size)

    def path(self, pid: int) -> str | None:
        """Return the path of the program file."""
        buffer = ctypes.create_string_buffer(_LONGEST_PATH)
        length = self._library.proc_pidpath(pid, buffer, len(buffer))
        return buffer.raw[:length].decode("utf-8", "replace") if length > 0 else None

    def folders(self, pid: int) -> bytes | None:
        """Return the working directory and the root."""
        return self._info(pid, _PROC_PIDVNODEPATHINFO, _FOLDERS)

    def _info(self, pid: int, flavor: int, size: int) -> bytes | None:
        buffer = ctypes.create_string_buffer(size)
        filled = self._library.proc_pidinfo(pid, flavor, 0, buffer, size)
        return buffer.raw if filled == size else None


class MacProcesses:
    """The process table."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def stat(self, pid: int) -> Stat | None:
        """Return name, parent and the number that is given once."""
        identity = self.identity(pid)
        raw = self._kernel.short_info(pid)
        # Ask again: the pid may have been reused in between.
        if raw is None or identity is None or self.identity(pid) != identity:
            return None
        _, parent, _, _, name, *_ = _SHORT.unpack(raw)
        text = name.partition(b"\0")[0].decode("utf-8", "replace")
        return Stat(text, parent, identity[0])

    def path(self, pid: int) -> str | None:
        """Return the path of the program file, for names only."""
        return self._kernel.path(pid)

    def folder(self, pid: int) -> str | None:
        """Return the working directory."""
        raw = self._kernel.folders(pid)
        path = b"" if raw is None else raw[_VNODE_INFO:].partition(b"\0")[0]
        return path.decode("utf-8", "replace") or None

    def sees(self, pid: int) -> bool:
        """Return whether the program file has a name at all."""
        return self._kernel.path(pid) is not None

    def identity(self, pid: int) -> tuple[int, int] | None:
        """Return the number that is given once, and the version of the pid."""
        raw = self._kernel.identity(pid)
        if raw is None:
            return None
        _, unique, _, version = _IDENTITY.unpack(raw)
        return unique, version


class MacPeer:
    """The process that had used the socket last at accept; *version* is that of its *pid*.

    The version changes with every exec and every new owner of the pid: if it differs before and
    after reading, the facts are left out.
    """

    def __init__(
        self,
        *,
        uid: int,
        gid: int,
        pid: int | None,
        version: int | None,
        processes: MacProcesses,
        relays_above: bool,
    ) -> None:
        self.uid = uid
        self.gid = gid
        self.pid = pid
        self._version = version
        self._processes = processes
        self._relays_above = relays_above

    def pin(self) -> None:
        """Nothing: no program is attested here."""

    async def locate(self) -> None:
        """Nothing: the kernel said it at accept."""

    def identify(self) -> Caller:
        """Return the caller as it is now; raises `denied` if the process is gone."""
        absent = Caller(uid=self.uid, gid=self.gid, pid=self.pid, attestable=False)
        if self.pid is None or self._version is None or not self._is_same(self.pid):
            return absent
        stat = self._processes.stat(self.pid)
        if stat is None:
            return absent
        path = self._processes.path(self.pid)
        above = walk(
            *(self.pid, stat, path, self._processes),
            seen=path is not None,
            relays_above=self._relays_above,
        )
        if not self._is_same(self.pid):
            return absent
        return Caller(
            uid=self.uid,
            gid=self.gid,
            pid=self.pid,
            start_time=stat.start_time,
            name=stat.name,
            agent=above.agent,
            harness=above.harness,
            relay=above.relay,
            ancestry_complete=above.complete,
            ancestors=above.ancestors,
            attestable=False,
        )

    async def identify_closely(self) -> Caller:
        """Return the same as `identify`: environments are not read here."""
        return self.identify()

    def close(self) -> None:
        """Do nothing: there is no handle."""

    def _is_same(self, pid: int) -> bool:
        identity = self._processes.identity(pid)
        if identity is None:
            raise BrokerError(
                Kind.DENIED, f"process {pid}, which opened this connection, has ended"
            )
        return identity[1] == self._version


class MacIdentifier:
    """Opens peers. *own_uid* is the daemon's; what other uids may do is for policy to say."""

    def __init__(self, kernel: Kernel, *, own_uid: int, user_mode: bool) -> None:
        self._processes = MacProcesses(kernel)
        self._own_uid = own_uid
        self.descriptors = 0
        self._user_mode = user_mode

    def open(self, peer: socket.socket) -> MacPeer:
        """Ask the kernel who connected to this end."""
        uid, gid = peer_credentials(peer)
        pid, version = peer_process(peer)
        return MacPeer(
            uid=uid,
            gid=gid,
            pid=pid,
            version=version,
            processes=self._processes,
            relays_above=self._user_mode and uid == self._own_uid,
        )


def peer_credentials(peer: socket.socket) -> tuple[int, int]:
    """Return uid and gid of the user that connected (LOCAL_PEERCRED)."""
    raw = peer.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
    _version, uid, _count, gid, *_ = _XUCRED.unpack(raw)
    return uid, gid


def peer_process(peer: socket.socket) -> tuple[int | None, int | None]:
    """Return pid and pid version of the process that used the other end last.

    From its audit token (LOCAL_PEERTOKEN); without one, only the pid (LOCAL_PEERPID).
    """
    try:
        words = _TOKEN.unpack(peer.getsockopt(_SOL_LOCAL, _LOCAL_PEERTOKEN, _TOKEN.size))
    except OSError:
        pass
    else:
        return words[5] or None, words[7]
    try:
        (pid,) = _PID.unpack(peer.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, _PID.size))
    except OSError:
        return None, None
    return pid or None, None
