"""Canary secrets (H3): texts that must never appear where only a released token may.

Hands out canaries and hunts for them; what is searched after which test is decided in the conftests.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["MARK", "LogHunt", "canary", "files_with_canary", "processes_with_canary"]

# Seconds that a child may take from fork to exec.
_PATIENCE = 10.0

MARK = "credward-canary-4dk7"


def canary(name: str) -> str:
    """Return a new secret that any hunt recognises; *name* says where it came from."""
    return f"{MARK}-{name}-{secrets.token_hex(8)}"


def files_with_canary(*roots: Path, allowed: Iterable[Path] = ()) -> list[str]:
    """Return the files below *roots* whose content or name holds a canary, but for *allowed* ones."""
    exempt = set(allowed)
    found = []
    for path in (each for root in roots for each in _files(root)):
        if path in exempt:
            continue
        if MARK in path.name or MARK.encode() in _content(path):
            found.append(str(path))
    return found


def processes_with_canary(parent: int) -> list[str]:
    """Return which children of *parent* (and itself) show a canary in argv, or children in their environment.

    The environment of *parent* is exempt: that is where `{ env = … }` references point. A child between fork and
    exec is a copy of it, and is looked at again.
    """
    found: list[str] = []
    deadline = time.monotonic() + _PATIENCE
    while (found := _show_canary(parent)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _show_canary(parent: int) -> list[str]:
    found = []
    for pid in (parent, *_children(parent)):
        places = ("cmdline",) if pid == parent else ("cmdline", "environ")
        found += [
            f"{place} of {pid}"
            for place in places
            if MARK.encode() in _content(Path(f"/proc/{pid}/{place}"))
        ]
    return found


class LogHunt:
    """Looks at every log record that is made in this process, whichever handler it goes to."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._make = logging.getLogRecordFactory()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to look."""
        logging.setLogRecordFactory(self._inspect)

    def stop(self) -> None:
        """Leave logging as it was."""
        logging.setLogRecordFactory(self._make)

    def _inspect(self, *args: object, **kwargs: object) -> logging.LogRecord:
        record = self._make(*args, **kwargs)
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += logging.Formatter().formatException(record.exc_info)
        if MARK in text:
            with self._lock:
                self.found.append(f"{record.name} in {record.pathname}:{record.lineno}")
        return record


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        # Gone, or not ours to read: a hardened worker's environment is exactly that.
        return b""


def _children(parent: int) -> list[int]:
    if sys.platform != "linux":
        return []
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _parent_of(_content(entry / "stat")) == parent
    ]


def _parent_of(stat: bytes) -> int:
    # The name may hold spaces and parentheses: what follows the last one is regular.
    fields = stat.rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0
