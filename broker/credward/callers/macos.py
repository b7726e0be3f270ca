"""What macOS says of a peer: LOCAL_PEERCRED and LOCAL_PEERPID (sys/un.h).

Not run by the test suite, which has no such machine. The caller is unattested there: uid and pid
without a handle, so no rule that names a program can permit it.
"""

from __future__ import annotations

import socket
import struct

__all__ = ["peer_credentials"]

_SOL_LOCAL = 0
_LOCAL_PEERCRED = 0x001
_LOCAL_PEERPID = 0x002
# struct xucred: version, uid, number of groups, 16 groups.
_XUCRED = struct.Struct("=IIh2x16I")
_PID = struct.Struct("=i")


def peer_credentials(peer: socket.socket) -> tuple[int, int, int | None]:
    """Return uid, gid and pid of the other end."""
    raw = peer.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
    _version, uid, _count, gid, *_ = _XUCRED.unpack(raw)
    try:
        (pid,) = _PID.unpack(peer.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, _PID.size))
    except OSError:
        return uid, gid, None
    return uid, gid, pid or None
