"""Programs of ours that look at a process, each with a deadline.

A process that reads the memory or the folder of another one can be made to wait by it, for as long
as that one likes. So the daemon never reads them itself.
"""

from __future__ import annotations

import asyncio
import os
import subprocess

import msgspec

__all__ = ["Ended", "Looker"]

# An interpreter starts in 50 ms, on a busy machine in many times that (seconds).
_DEADLINE = 5.0
# At most so many at a time; others wait, for as long as one may take.
_MOST = 16
# What one may write (bytes).
_LONGEST = 256 * 1024


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a program ended, and what it wrote to standard output."""

    code: int
    output: bytes

    def __repr__(self) -> str:
        return f"Ended({self.code}, {len(self.output)} bytes)"


class Looker:
    """Starts the programs and counts them; *deadline* in seconds."""

    def __init__(self, *, deadline: float = _DEADLINE, most: int = _MOST) -> None:
        self._deadline = deadline
        self._most = most
        self._running: list[subprocess.Popen[bytes]] = []
        # Set each time that one ends.
        self._ended = asyncio.Event()

    async def run(self, *command: str) -> Ended | None:
        """Return how *command* ended, None if it did not start or took too long."""
        try:
            async with asyncio.timeout(self._deadline):
                await self._wait_in_line()
        except TimeoutError:
            return None
        try:
            ours, theirs = os.pipe2(os.O_CLOEXEC)
        except OSError:
            return None
        try:
            # Returns at exec, a millisecond later.
            process = subprocess.Popen(  # noqa: ASYNC220
                command,
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={},
                cwd="/",
            )
        except OSError:
            os.close(ours)
            return None
        finally:
            os.close(theirs)
        return await self._watch(process, ours)

    async def _watch(self, process: subprocess.Popen[bytes], pipe: int) -> Ended | None:
        self._running.append(process)
        try:
            # Before anybody else can reap it (pidfd_open(2)).
            handle = os.pidfd_open(process.pid)
        except OSError:
            os.close(pipe)
            process.kill()
            return None
        try:
            async with asyncio.timeout(self._deadline):
                output = await _read(pipe)
                await _readable(handle)
        except (TimeoutError, OSError):
            return None
        finally:
            os.close(pipe)
            os.close(handle)
            if process.poll() is None:
                # It may take as long to die as it did to read: the next call reaps it.
                process.kill()
            self._ended.set()
        return Ended(code=process.returncode, output=output)

    async def _wait_in_line(self) -> None:
        """Return when fewer than the maximum run; reap those that ended."""
        while len(self._bury()) >= self._most:
            self._ended.clear()
            await self._ended.wait()

    def _bury(self) -> list[subprocess.Popen[bytes]]:
        self._running = [each for each in self._running if each.poll() is None]
        return self._running


async def _read(pipe: int) -> bytes:
    """Return all that is written into *pipe*; raises `OSError` if that is too much."""
    found = bytearray()
    while len(found) <= _LONGEST:
        await _readable(pipe)
        piece = os.read(pipe, _LONGEST)
        if not piece:
            return bytes(found)
        found += piece
    raise OSError("it writes too much")


async def _readable(descriptor: int) -> None:
    """Wait until there is something to read, or the end; for a pidfd that is the end."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
