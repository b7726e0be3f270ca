"""Who may own the state directory: one rule for the daemon and for the code that starts it.

Its content is up to other modules.
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
    """Make *state_dir* (0700) if it is missing; refuse one that others can write to.

    As in ssh, a directory that others could have changed is not trusted. If they can only read it,
    we take that right away, and log it; without *shut* that is left to a daemon, which has a log.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'state directory "{state_dir}" cannot be made ({error.strerror}): '
            "set XDG_STATE_HOME to your own directory",
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
            f'state directory "{state_dir}" is open to others: run chmod 0700 {state_dir}',
        )
    return state_dir


def _shut(state_dir: Path, descriptor: int, mode: int) -> bool:
    """Remove the rights of others; False if that fails."""
    # Late import: code that starts a daemon also prepares the directory, and must not wait for
    # this.
    import logging  # noqa: PLC0415

    try:
        os.fchmod(descriptor, mode & ~_OTHERS)
    except OSError:
        return False
    logging.getLogger(__name__).warning(
        'state directory "%s" had mode %04o, so others could read it: it now has %04o',
        state_dir,
        mode,
        mode & ~_OTHERS,
    )
    return True
