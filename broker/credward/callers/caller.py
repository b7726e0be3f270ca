"""The attested peer as a value: only what the kernel says, absent where it cannot be established.

How the facts are read is `linux.py` and `macos.py`; what they permit is `policy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Caller", "Executable", "Process"]

Handle = Literal["peerpidfd", "pidfd_open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Executable:
    """A program file as seen by the kernel: path in its own mount namespace, device and inode."""

    path: str
    device: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process, told from a reused pid by *start_time* (clock ticks since boot)."""

    pid: int
    start_time: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is asking. `None` means "could not be established", never "does not exist".

    *agent* is the nearest ancestor that is not a shell (for a helper under `claude -> sh ->
    helper`: claude); *harness* is the name of the nearest agent harness among all ancestors, None
    when there is none; *ancestry_complete* is False when the walk was broken off, and then no
    harness can be excluded.
    """

    uid: int
    gid: int
    pid: int | None
    start_time: int | None = None
    handle: Handle | None = None
    executable: Executable | None = None
    agent: Process | None = None
    harness: str | None = None
    ancestry_complete: bool = False

    @property
    def attested(self) -> bool:
        """Whether the process itself (not only its uid) was established."""
        return self.handle is not None and self.executable is not None

    def describe(self) -> str:
        """Return a short text for people: program name and pid."""
        program = self.executable.path.rsplit("/", 1)[-1] if self.executable else "unknown program"
        under = f" under {self.agent.name} {self.agent.pid}" if self.agent else ""
        return f"{program} {self.pid or '?'}{under}"
