"""What set-up recorded of the owner's environment: unusual directories.

One line `NAME=VALUE` each, in a file that only the owner writes. `account` uses the values; `cli`
decides when to record them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from credward.errors import BrokerError, Kind
from credward.named_files import opened

__all__ = ["BUS", "LASTING", "RECORDED", "fault_of", "read_record"]

BUS = "DBUS_SESSION_BUS_ADDRESS"
# Directories that do not end with the session that recorded them; the others may.
LASTING = ("XDG_CONFIG_HOME", "XDG_STATE_HOME")
RECORDED = (*LASTING, "XDG_RUNTIME_DIR", BUS)
# More than four values need (bytes).
_LONGEST = 32 * 1024


def fault_of(name: str, value: str) -> str | None:
    """Return what is wrong with a *value*; None: it can be recorded and used.

    A bus address must begin with `unix:`, as must each of several: the other transports of the
    D-Bus specification ("Server Addresses") run a program (`unixexec:`) or connect to the network
    (`tcp:`).
    """
    if name not in RECORDED:
        return f"{name} is not one of {', '.join(RECORDED)}"
    if not value.isprintable():
        return f"{name} holds characters that cannot be printed"
    if name != BUS:
        return None if value.startswith("/") else f"{name} is not an absolute path"
    if all(each.startswith("unix:") for each in value.split(";")):
        return None
    return f"{name} is not a unix: address"


def read_record(path: Path, uid: int) -> dict[str, str]:
    """Return the values that were recorded for *uid*, by variable; empty if there are none.

    Raises `fix-configuration` if others can write to the file, or if its content is invalid.
    """
    try:
        with opened(path) as descriptor:
            _check(path, os.fstat(descriptor), uid)
            text = os.read(descriptor, _LONGEST).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise _unusable(
            path, f"cannot be read ({error.strerror})", "correct its permissions"
        ) from error
    return dict(_values(path, text))


def _check(path: Path, found: os.stat_result, uid: int) -> None:
    if found.st_uid not in {uid, 0}:
        raise _unusable(path, "belongs to another user", "remove it")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _unusable(path, "can be written by others", "run chmod 0600 on it")


def _values(path: Path, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        fault = fault_of(name, value) if equals else "there is no NAME=VALUE"
        if fault is not None:
            raise _unusable(path, f"is wrong in line {number}, {fault}", "correct or remove it")
        yield name, value


def _unusable(path: Path, why: str, remedy: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{path}" {why}, so no daemon is started: {remedy}')
