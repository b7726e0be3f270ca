"""A separate program: what the helper would report of itself if this process had started it.

Run as `python -I -m credward.cli.client_report PID` by `callers.client_reports`, for a Claude Code
that asks at an endpoint. Its settings count as it reads them: those of its user and of the machine
are part of its environment, those of the folder are passed on raw, as always.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from credward.callers.client_reports import HIDDEN
from credward.cli.setup.claude_code import settings_paths
from credward.cli.setup.claude_code_merged import read_merged
from credward.cli.surroundings import folder_body, report
from credward.errors import BrokerError
from credward.folder import encode
from credward.named_files import opened, read_all

__all__ = ["UNCLEAR", "main"]

UNCLEAR = 1
# Its parent waits five seconds (`callers.looking`).
_TIMEOUT = 4.0
# We read no more of an environment than this (bytes).
_MOST = 1 << 20
# What a record may hold (bytes).
_LONGEST = 60 * 1024


def main(pid: int) -> int:
    """Write the report on *pid* to standard output; return the exit code.

    `HIDDEN`: we may not look at it; `UNCLEAR`: it cannot be told.
    """
    try:
        environ = _environment_of(pid)
        folder = os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115 - any bytes are a name
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return HIDDEN
    # Also if its folder was removed: another one may have its name by now.
    os.chdir(folder)
    if not Path(folder).samefile(f"/proc/{pid}/cwd"):
        return UNCLEAR
    merged = read_merged(environ, Path(folder))
    if any(each.fault and not each.of_the_folder for each in merged.levels):
        return UNCLEAR
    said = report(merged.environment(folder=False), _TIMEOUT).encode()
    # A repository may have said where the settings of its user are, so they are judged like its
    # own; those in the home of all callers are left out by whoever reads this.
    found = _raw(settings_paths(environ, Path(folder))["user"])
    sys.stdout.buffer.write(said + b"\n" + found + folder_body(_TIMEOUT))
    return 0


def _raw(path: Path) -> bytes:
    """Return the record of a settings file, empty if there is none."""
    try:
        with opened(path) as descriptor:
            return encode("file", str(path), read_all(descriptor, _LONGEST))
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError:
        return encode("unreadable", str(path))


def _environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process started with (proc_pid_environ(5))."""
    raw = bytearray()
    descriptor = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    try:
        while len(raw) <= _MOST and (part := os.read(descriptor, 1 << 16)):
            raw += part
    finally:
        os.close(descriptor)
    if len(raw) > _MOST:
        raise OSError("it is too long")
    environ: dict[str, str] = {}
    for each in bytes(raw).split(b"\0"):
        name, found, value = os.fsdecode(each).partition("=")
        if found:
            # As getenv(3) finds it: the first of a name counts.
            environ.setdefault(name, value)
    return environ


def _guarded(pid: int) -> int:
    """Return the exit code; whatever goes wrong is no reason to know nothing of it."""
    try:
        return main(pid)
    except (BrokerError, OSError, ValueError, RecursionError):
        return UNCLEAR


if __name__ == "__main__":
    sys.exit(_guarded(int(sys.argv[1])))
