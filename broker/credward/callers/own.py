"""The daemon itself as a caller: it asks for its owner, for what nobody connects to.

Facts about this process, found once; a harness or a relay above it says nothing about who will use
what it asks for, so its ancestors are not looked at. Other callers are up to `identify`.
"""

from __future__ import annotations

import os
import sys

import msgspec

from credward.callers import linux
from credward.callers.caller import Caller
from credward.callers.mounts import MountTable

__all__ = ["OwnPeer"]


class OwnPeer:
    """The daemon, as the other end of *door*."""

    def __init__(self, door: str) -> None:
        self.uid = os.geteuid()
        self.pid: int | None = os.getpid()
        self._caller = _own_caller(door)

    def pin(self) -> None:
        """Nothing: no other program can run in this process."""

    async def locate(self) -> None:
        """Nothing: it is this process."""

    def identify(self) -> Caller:
        """Return this process as a caller.

        *ancestry_complete* is False: a rule that wants to be sure that no agent is behind a request
        must not permit what any process of the user can read.
        """
        return self._caller

    async def identify_closely(self) -> Caller:
        """Return the same as `identify`."""
        return self._caller

    def close(self) -> None:
        """Nothing: nothing is held."""


def _own_caller(door: str) -> Caller:
    caller = Caller(uid=os.geteuid(), gid=os.getegid(), pid=os.getpid(), handle="self", door=door)
    if sys.platform != "linux":
        return msgspec.structs.replace(caller, attestable=False)
    mounts = MountTable()
    try:
        stat = linux.read_stat(os.getpid())
        return msgspec.structs.replace(
            caller,
            executable=linux.executable("self", mounts),
            start_time=None if stat is None else stat.start_time,
            name=None if stat is None else stat.name,
        )
    finally:
        mounts.close()
