"""One daemon per store: a lock on the state directory, and a record of its holder.

Decides only which daemon may run; `doors.unix_api.listen` has a second lock for the socket,
`state_dir` checks the owner of the directory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import socket
import time
from pathlib import Path

import msgspec

from credward.errors import BrokerError, Kind
from credward.named_files import open_file
from credward.processes import boot_id
from credward.store.state_dir import prepare_state_dir

__all__ = ["Holder", "StoreLock"]

_FILE = "credward.lock"
# A daemon that was started by hand finishes its answers in under 2 s; a longer wait means that
# something is wrong.
_HAND_OVER_SECONDS = 5.0
_POLL_SECONDS = 0.05


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock; *start_time* (ticks since boot) and *boot_id* detect a reused pid."""

    pid: int
    socket: str
    host: str
    boot_id: str
    start_time: int


class StoreLock:
    """The held lock. It ends with the process, also after kill -9, because the kernel owns it."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self.path = path

    @classmethod
    def acquire(cls, state_dir: Path, socket_path: Path, *, take_over: bool = False) -> StoreLock:
        """Lock *state_dir* for this process, or raise `already-running` naming the socket in use.

        With *take_over* (a socket-activated start) the holder is first asked to end and gets five
        seconds.
        """
        path = prepare_state_dir(state_dir) / _FILE
        try:
            descriptor = open_file(path, os.O_RDWR | os.O_CREAT, follow=False)
        except OSError as error:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'lock "{path}" cannot be opened ({error.strerror}): '
                "make room, correct its permissions, or set XDG_STATE_HOME to another directory",
            ) from error
        try:
            if not _try_lock(descriptor):
                _wait_or_refuse(descriptor, path, take_over=take_over)
            _note(descriptor, socket_path)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, path)

    def record_socket(self, socket_path: Path) -> None:
        """Record where this daemon really listens, once that is known."""
        _note(self._descriptor, socket_path)

    def release(self) -> None:
        """Release the lock. The file stays: without it two daemons could lock two files."""
        os.close(self._descriptor)


def _note(descriptor: int, socket_path: Path) -> None:
    # On a full disk a second daemon hears less; the lock itself needs no space.
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(_myself(socket_path)) + b"\n", 0)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EAGAIN}:
            return False
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f"the state directory cannot be locked ({error.strerror}): "
            "set XDG_STATE_HOME to a local file system",
        ) from error
    return True


def _read_holder(descriptor: int) -> Holder | None:
    # The holder writes just after it locks: an empty record means a daemon that is just starting.
    for _ in range(20):
        with contextlib.suppress(msgspec.DecodeError, OSError):
            return msgspec.json.decode(os.pread(descriptor, 4096, 0), type=Holder)
        time.sleep(_POLL_SECONDS)
    return None


def _wait_or_refuse(descriptor: int, path: Path, *, take_over: bool) -> None:
    holder = _read_holder(descriptor)
    if not (take_over and holder and _ask_to_end(holder, descriptor)):
        raise _already_running(holder, path)


def _ask_to_end(holder: Holder, descriptor: int) -> bool:
    """Send SIGTERM to the holder and wait for the lock; False if the holder is uncertain."""
    if holder.host != socket.gethostname() or holder.boot_id != boot_id():
        return False
    try:
        handle = os.pidfd_open(holder.pid)
    except (OSError, AttributeError):
        return False
    try:
        # Check after the handle was opened: from now on no other process can get the pid.
        if _start_time(holder.pid) != holder.start_time:
            return False
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        select.select([handle], [], [], _HAND_OVER_SECONDS)
    except OSError:
        return False
    finally:
        os.close(handle)
    return _try_lock(descriptor)


def _already_running(holder: Holder | None, path: Path) -> BrokerError:
    where = f"at {holder.socket} (pid {holder.pid})" if holder else f"(lock {path} is held)"
    return BrokerError(
        Kind.ALREADY_RUNNING, f"already running {where}: run credward status to see it"
    )


def _myself(socket_path: Path) -> Holder:
    return Holder(
        pid=os.getpid(),
        socket=str(socket_path),
        host=socket.gethostname(),
        boot_id=boot_id(),
        start_time=_start_time(os.getpid()) or 0,
    )


def _start_time(pid: int) -> int | None:
    """Return field 22 of /proc/PID/stat (proc(5)), counted from after the free-text name."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[19])
