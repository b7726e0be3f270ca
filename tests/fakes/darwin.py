"""What a Mac's kernel would say: processes, and the options of a connected socket.

Layouts as in Apple's open headers (bsd/sys/un.h, ucred.h, proc_info.h, proc_info_private.h;
osfmk/mach/message.h), written down here a second time, so that a slip of ours is not made twice.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["MacKernel", "MacProcess", "MacSocket"]


@dataclass
class MacProcess:
    """A process; *unique* is given once, *version* anew with each exec."""

    name: str
    parent: int
    path: str | None
    unique: int
    version: int
    folder: str = "/"


@dataclass
class MacKernel:
    """The calls of libproc; *on_path* happens while somebody asks for a path."""

    processes: dict[int, MacProcess] = field(default_factory=dict)
    on_path: Callable[[], None] = lambda: None

    def short_info(self, pid: int) -> bytes | None:
        found = self.processes.get(pid)
        if found is None:
            return None
        # pbsi_pid, pbsi_ppid, pbsi_pgid, pbsi_status, pbsi_comm[16], eight more words
        words = struct.pack("<IIII", pid, found.parent, pid, 2)
        return words + found.name.encode()[:16].ljust(16, b"\0") + bytes(32)

    def identity(self, pid: int) -> bytes | None:
        found = self.processes.get(pid)
        if found is None:
            return None
        # p_uuid[16], p_uniqueid, p_puniqueid, p_idversion, p_orig_ppidversion, two reserves
        return b"u" * 16 + struct.pack("<QQiiQQ", found.unique, 1, found.version, 0, 0, 0)

    def path(self, pid: int) -> str | None:
        found = self.processes.get(pid)
        self.on_path()
        return None if found is None else found.path

    def folders(self, pid: int) -> bytes | None:
        found = self.processes.get(pid)
        if found is None:
            return None
        # vip_vi (struct vnode_info), vip_path[MAXPATHLEN]; first pvi_cdir, then pvi_rdir
        cwd = bytes(152) + found.folder.encode().ljust(1024, b"\0")
        return cwd + bytes(152 + 1024)


@dataclass
class MacSocket:
    """One end of a connection; what the option says is absent where it is None."""

    uid: int = 501
    gid: int = 20
    pid: int | None = None
    version: int | None = None

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert level == 0  # SOL_LOCAL
        if option == 0x001:  # LOCAL_PEERCRED
            # cr_version, cr_uid, cr_ngroups (a short, and two bytes to the next word), cr_groups[16]
            answer = struct.pack("<IIhh", 0, self.uid, 2, 0) + struct.pack(
                "<16I", self.gid, 12, *[0] * 14
            )
        elif option == 0x002 and self.pid is not None:  # LOCAL_PEERPID
            answer = struct.pack("<i", self.pid)
        elif option == 0x006 and self.version is not None:  # LOCAL_PEERTOKEN
            # auid, euid, egid, ruid, rgid, pid, asid, pid version
            answer = struct.pack(
                "<8I",
                *(self.uid, self.uid, self.gid, self.uid, self.gid),
                *(self.pid or 0, 100, self.version),
            )
        else:
            raise OSError(22, "Invalid argument")
        assert len(answer) == size
        return answer
