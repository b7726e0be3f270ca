"""Notices that a file behind a failed credential was replaced.

Remembers the state of the files when a mint began. `issuer` asks when a credential waits for
somebody. It opens no file: it only asks the file system, in a thread and for a short time, because
the file system may never answer.
"""

from __future__ import annotations

import asyncio
import math
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from threading import Thread

from credward.clock import Clock

__all__ = ["SourceFiles"]

# Requests cause a check of the files at most this often (seconds).
_PAUSE = 1.0
# How long to wait for a file system before its files count as unchanged (seconds); a mint can wait
# longer, for it reads the same files.
_PATIENCE, _PATIENCE_OF_MINTS = 0.5, 2.0

# For each file, values that change with it, None if it does not exist.
_Stamps = tuple[tuple[int, ...] | None, ...]


class SourceFiles:
    """*files* returns the absolute paths of those that a mint of a credential reads.

    *look* asks the file system, and may take for ever.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        files: Callable[[str], Sequence[Path]],
        look: Callable[[Path], os.stat_result] = Path.stat,
    ) -> None:
        self._clock = clock
        self._files = files
        self._look_at = look
        # None: a mint began, but nobody knows with which files.
        self._seen: dict[str, _Stamps | None] = {}
        self._looked_at: dict[str, float] = {}
        self._looking: asyncio.Future[_Stamps] | None = None
        self._hangs = False

    async def note(self, credential: str) -> None:
        """Remember the files as they are now, before a mint reads them."""
        self._seen.pop(credential, None)
        if not (paths := self._files(credential)):
            return
        self._seen[credential] = await self._look(paths, _PATIENCE_OF_MINTS)

    def due(self, credentials: Sequence[str]) -> list[str]:
        """Return those that have files to check which were not checked in the last second."""
        if self._seen.keys().isdisjoint(credentials):
            return []
        now = self._clock.elapsed()
        return [
            name
            for name in credentials
            if name in self._seen and now - self._looked_at.get(name, -math.inf) >= _PAUSE
        ]

    async def changed(self, credentials: Sequence[str]) -> list[str]:
        """Return the credentials with a file that differs from the one at their last mint.

        Files that could not be seen then count as different: another mint is better than none.
        """
        self._looked_at.update(dict.fromkeys(credentials, self._clock.elapsed()))
        files = {name: self._files(name) for name in credentials}
        found = await self._look(list(chain.from_iterable(files.values())), _PATIENCE)
        if found is None:
            return []
        stamps = iter(found)
        fresh = {name: tuple(islice(stamps, len(paths))) for name, paths in files.items()}
        return [name for name, stamp in fresh.items() if self._seen.get(name, stamp) != stamp]

    async def _look(self, paths: Sequence[Path], patience: float) -> _Stamps | None:
        """Return the stamps of *paths*; None if the file system takes longer than *patience*.

        While it does, all other files count as unchanged, and nobody waits.
        """
        if self._hangs:
            return None
        try:
            async with asyncio.timeout(patience):
                # One at a time: if it hangs, it costs only one thread.
                while self._looking is not None:
                    await asyncio.wait([self._looking])
                self._looking = self._start(paths)
                return await asyncio.shield(self._looking)
        except TimeoutError:
            self._hangs = self._looking is not None
            return None

    def _start(self, paths: Sequence[Path]) -> asyncio.Future[_Stamps]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Stamps] = loop.create_future()

        def end(stamps: _Stamps) -> None:
            self._looking = None
            self._hangs = False
            future.set_result(stamps)

        def work() -> None:
            stamps = tuple(self._stamp(path) for path in paths)
            with suppress(RuntimeError):
                # The loop may have ended meanwhile.
                loop.call_soon_threadsafe(end, stamps)

        # Not from a pool: a thread that hangs must not delay others or the end of the daemon.
        Thread(target=work, daemon=True).start()
        return future

    def _stamp(self, path: Path) -> tuple[int, ...] | None:
        try:
            found = self._look_at(path)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
