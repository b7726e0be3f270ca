"""Which harness the environment of a process names; read by a program of ours, with a deadline.

An environment is memory of that process, and the kernel may wait for it as long as the process
likes: so the daemon never reads it itself. What the program does is `mark_probe`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from credward.callers import mark_probe
from credward.callers.programs import MARKS, UNKNOWN_HARNESS

__all__ = ["MarkReader"]

# An interpreter that starts takes 50 ms, on a busy machine many times that (seconds).
_DEADLINE = 5.0
# So many looks at a time; others wait in line, for as long as one look may take.
_MOST = 16


class MarkReader:
    """Starts the programs and counts them; *deadline* in seconds."""

    def __init__(self, *, deadline: float = _DEADLINE, most: int = _MOST) -> None:
        self._deadline = deadline
        self._most = most
        self._names = sorted(MARKS)
        self._running: list[subprocess.Popen[bytes]] = []
        # Set by each look that is over.
        self._ended = asyncio.Event()

    async def read(self, pid: int) -> str | None:
        """Return the harness whose mark is in the environment that *pid* began with, None if none.

        `unknown` stands for one that cannot be ruled out, because nothing was read in time.
        """
        try:
            async with asyncio.timeout(self._deadline):
                await self._wait_in_line()
        except TimeoutError:
            return UNKNOWN_HARNESS
        try:
            # Returns at exec, a millisecond later.
            process = subprocess.Popen(  # noqa: ASYNC220
                [sys.executable, "-I", "-S", mark_probe.__file__, str(pid), *self._names],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={},
                cwd="/",
            )
        except OSError:
            return UNKNOWN_HARNESS
        self._running.append(process)
        try:
            async with asyncio.timeout(self._deadline):
                await _ended(process.pid)
        except (TimeoutError, OSError):
            return UNKNOWN_HARNESS
        finally:
            if process.poll() is None:
                # It may take as long to die as it did to read: whoever comes next buries it.
                process.kill()
            self._ended.set()
        return self._meant(process.returncode)

    async def _wait_in_line(self) -> None:
        """Return when fewer than the most run; whoever ended is buried."""
        while len(self._bury()) >= self._most:
            self._ended.clear()
            await self._ended.wait()

    def _bury(self) -> list[subprocess.Popen[bytes]]:
        self._running = [each for each in self._running if each.poll() is None]
        return self._running

    def _meant(self, code: int) -> str | None:
        if code == mark_probe.NONE:
            return None
        index = code - mark_probe.FIRST
        return MARKS[self._names[index]] if 0 <= index < len(self._names) else UNKNOWN_HARNESS


async def _ended(pid: int) -> None:
    """Wait for the end of a child (pidfd_open(2)); it is not reaped here."""
    loop = asyncio.get_running_loop()
    handle = os.pidfd_open(pid)
    ended = asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
