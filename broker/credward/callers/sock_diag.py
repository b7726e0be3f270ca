"""What Linux says about a TCP socket on this machine: whose it is, and its inode (sock_diag(7)).

One question for one socket, named by both of its ends; `socket_owner` finds the process.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

import msgspec

__all__ = ["Address", "SocketFacts", "socket_facts"]

# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h; the socket module has no names for them.
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLMSG_ERROR = 2
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
# inet_diag_req_v2 without the id: family, protocol, what else to tell, padding, states.
_QUESTION = struct.Struct("=BBBBI")
# inet_diag_sockid: ports and addresses in network order, interface, cookie.
_PORTS = struct.Struct("!HH")
_REST = struct.Struct("=III")
_NO_COOKIE = 0xFFFF_FFFF
_ANY_STATE = 0xFFFF_FFFF
# inet_diag_msg after the id: when a timer ends, both queues, the user, the inode.
_ANSWER = struct.Struct("=5I")
_ANSWER_AT = _HEADER.size + 4 + 48
_ERROR = struct.Struct("=i")
_PATIENCE = 1.0

# Host and port; IPv6 has two more numbers.
Address = tuple[str, int] | tuple[str, int, int, int]


class SocketFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A socket: the *uid* that made it, in our user namespace, and its *inode*."""

    uid: int
    inode: int


def socket_facts(own: Address, other: Address) -> SocketFacts | None:
    """Return the facts of the TCP socket at *own* that is connected to *other*.

    None if nobody has it open any more; raises `OSError` if the kernel does not tell.
    """
    family = socket.AF_INET6 if ":" in own[0] else socket.AF_INET
    body = (
        _QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0, _ANY_STATE)
        + _PORTS.pack(own[1], other[1])
        + socket.inet_pton(family, own[0]).ljust(16, b"\0")
        + socket.inet_pton(family, other[0]).ljust(16, b"\0")
        + _REST.pack(0, _NO_COOKIE, _NO_COOKIE)
    )
    head = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG) as kernel:
        # It answers at once, before `send` returns.
        kernel.settimeout(_PATIENCE)
        kernel.send(head + body)
        answer = kernel.recv(4096)
    _, meaning, *_ = _HEADER.unpack_from(answer)
    if meaning == _NLMSG_ERROR:
        (code,) = _ERROR.unpack_from(answer, _HEADER.size)
        if -code in {errno.ENOENT, errno.ESTALE}:
            return None
        raise OSError(-code, os.strerror(-code))
    *_, uid, inode = _ANSWER.unpack_from(answer, _ANSWER_AT)
    # Of a socket that was closed, the kernel knows no user: it says 0 for both.
    return SocketFacts(uid=uid, inode=inode) if inode else None
