"""How much one client and all clients together may take: sizes, deadlines, descriptors.

Numbers and their arithmetic; `reading` enforces sizes, `connection` deadlines, `http11` counts.
"""

from __future__ import annotations

import msgspec

__all__ = ["Budget", "Limits", "budget_for"]


_LINGERING = 64


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one server. Sizes are in bytes, deadlines in seconds.

    Without *keep_alive* a connection is for one request. A refused one stays for *linger* seconds
    so that its client gets to read why. *spare_descriptors* stay free for other parts of the
    process: files, pipes, links to workers.
    """

    keep_alive: bool = True
    head: int = 16 * 1024
    body: int = 64 * 1024
    read_deadline: float = 5.0
    idle_deadline: float = 30.0
    write_deadline: float = 5.0
    linger: float = 1.0
    connections: int = 2048
    connections_per_pid: int = 256
    accept_queue: int = 1024
    spare_descriptors: int = 24


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections there may be: accepting stops at *pause_at*, goes on at *resume_at*.

    *lingering*: how many refused ones may stay for a moment, so that they do not crowd out others.
    """

    pause_at: int
    resume_at: int
    lingering: int


def budget_for(limits: Limits, *, descriptors: int, already_open: int) -> Budget:
    """Return the budget under a limit of *descriptors*, of which *already_open* are in use.

    A connection takes two: its socket and the process handle of its peer.
    """
    room = max(4, (descriptors - already_open - limits.spare_descriptors) // 2)
    pause_at = min(limits.connections, room)
    return Budget(
        pause_at=pause_at,
        resume_at=max(1, pause_at - pause_at // 4),
        lingering=max(1, min(_LINGERING, pause_at // 8)),
    )
