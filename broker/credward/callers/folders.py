"""Where processes work: their current folder, as the kernel's link names it, for `status`.

A folder is read when somebody looks, never when a token is asked for; the last one that was seen is
kept, because an agent may have ended since. It proves nothing.
"""

from __future__ import annotations

import sys

from credward.callers.caller import Ancestor
from credward.callers.linux import read_stat, working_folder

__all__ = ["WorkingFolders"]

# More processes than one status shows.
_MOST = 256


class WorkingFolders:
    """Reads folders, and remembers the last ones."""

    def __init__(self) -> None:
        self._seen: dict[Ancestor, str] = {}

    def of(self, process: Ancestor) -> str | None:
        """Return the folder of *process*; None if it was never seen."""
        found = _read(process) or self._seen.get(process)
        if found is not None:
            self._seen.pop(process, None)
            self._seen[process] = found
            if len(self._seen) > _MOST:
                del self._seen[next(iter(self._seen))]
        return found


def _read(process: Ancestor) -> str | None:
    """Read the link itself, which asks no file system (decision 0019); on Linux only."""
    if sys.platform != "linux" or not _lives(process):
        return None
    folder = working_folder(process.pid)
    # The pid may be another process's by now.
    return folder if _lives(process) else None


def _lives(process: Ancestor) -> bool:
    stat = read_stat(process.pid)
    return stat is not None and stat.start_time == process.start_time
