"""Whose the state directory may be: one rule for the daemon that lives in it and for who starts it.

What lies in it is for those who put it there.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from credward.errors import BrokerError, Kind

__all__ = ["prepare_state_dir"]

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def prepare_state_dir(state_dir: Path, *, shut: bool = True) -> Path:
    """Make *state_dir* (0700) where it is missing; refuse one that others can write.

    As ssh does: what others could have changed is not trusted. One that they can only read is shut,
    and the log says so; without *shut* that is left to a daemon, which has a log.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'state directory "{state_dir}" cannot be made ({error.strerror}): '
            "set XDG_STATE_HOME to a directory of yours",
        ) from error
    try:
        found = os.fstat(descriptor)
        mode = stat.S_IMODE(found.st_mode)
        trusted = found.st_uid == os.geteuid() and not mode & _OTHERS_WRITE
        if trusted and shut and mode & _OTHERS:
            trusted = _shut(state_dir, descriptor, mode)
    finally:
        os.close(descriptor)
    if not trusted:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'state directory "{state_dir}" is not yours alone: run chmod 0700 {state_dir}',
        )
    return state_dir


def _shut(state_dir: Path, descriptor: int, mode: int) -> bool:
    """Take the rights of others away; False where that cannot be."""
    # Late: whoever starts a daemon prepares the directory too, and is not to wait for this.
    import logging  # noqa: PLC0415

    try:
        os.fchmod(descriptor, mode & ~_OTHERS)
    except OSError:
        return False
    logging.getLogger(__name__).warning(
        'state directory "%s" had mode %04o, so others could read it: it has %04o now',
        state_dir,
        mode,
        mode & ~_OTHERS,
    )
    return True
