"""One start at a time: other starters wait, and get its result.

`start` does the start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from credward.errors import BrokerError, Failure, Kind
from credward.named_files import open_file
from credward.store.state_dir import prepare_state_dir

__all__ = ["StartLock", "hold_start_lock"]

_FILE = "start.lock"
_LONGEST = 4096


class StartLock:
    """The lock while it is held. Times are seconds of a clock that counts from boot."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def failure_since(self, began: float, now: float) -> Failure | None:
        """Return the failure of a start that ended after *began*, so while the caller waited."""
        written = os.pread(self._descriptor, _LONGEST, 0).decode("utf-8", "replace")
        at, _, rest = written.partition("\n")[0].partition(" ")
        slug, _, message = rest.partition(" ")
        try:
            when = float(at)
        except ValueError:
            return None
        # The clock restarts at boot: an instant in the future is an old record.
        return Failure.of(Kind.from_slug(slug), message) if began <= when <= now else None

    def record(self, failure: Failure, now: float) -> None:
        """Record a failed start for those that wait."""
        line = f"{now!r} {failure.kind.slug} {failure.message}\n"
        # On a full disk each of them tries itself.
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, line.encode("utf-8", "replace"), 0)


@contextlib.contextmanager
def hold_start_lock(state_dir: Path) -> Iterator[StartLock]:
    """Wait for the lock of all starters of this *state_dir* and hold it.

    Raises `fix-configuration` if the directory or the lock cannot be made, or is open to others.
    """
    descriptor = _open(state_dir)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield StartLock(descriptor)
    finally:
        os.close(descriptor)


def _open(state_dir: Path) -> int:
    # Its content is printed as the daemon's own words, so others must not write it.
    path = prepare_state_dir(state_dir, shut=False) / _FILE
    try:
        return open_file(path, os.O_RDWR | os.O_CREAT, follow=False)
    except OSError as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{path}" cannot be opened ({error.strerror}), so no daemon is started: '
            "remove it, or correct the permissions of its directory",
        ) from error
