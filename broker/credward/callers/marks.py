"""Which harness the environment of a process names; a separate program reads it, with a deadline.

An environment is memory of that process, and the process can make the kernel wait for it as long as
it likes. So the daemon never reads it itself. The program is `mark_probe`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from credward.callers import mark_probe
from credward.callers.programs import MARKS, UNKNOWN_HARNESS

__all__ = ["MarkReader"]

# An interpreter starts in 50 ms, on a busy machine in many times that (seconds).
_DEADLINE = 5.0
# At most so many at a time; others wait, for as long as one may take.
_MOST = 16


class MarkReader:
    """Starts the programs and counts them; *deadline* in seconds."""

    def __init__(self, *, deadline: float = _DEADLINE, most: int = _MOST) -> None:
        self._deadline = deadline
        self._most = most
        self._names = sorted(MARKS)
        self._running: list[subprocess.Popen[bytes]] = []
        # Set each time that one ends.
        self._ended = asyncio.Event()

    async def read(self, pid: int) -> str | None:
        """Return the harness whose mark is in the environment that *pid* started with, or None.

        `unknown` means: a harness cannot be ruled out, because nothing was read in time.
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
                # It may take as long to die as it did to read: the next call reaps it.
                process.kill()
            self._ended.set()
        return self._meant(process.returncode)

    async def _wait_in_line(self) -> None:
        """Return when fewer than the maximum run; reap those that ended."""
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
