"""Ends the daemon as its service manager would: SIGTERM, and a wait for its end."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable

from credward.errors import BrokerError, Kind

__all__ = ["end_process"]


def end_process(pid: int, is_still_it: Callable[[], bool], seconds: float) -> None:
    """End the daemon *pid* and wait *seconds* for its end.

    *is_still_it* asks the daemon for its pid once more: then the handle is of that process, and not
    of one that got its pid. Raises `denied` for somebody else's, `timed-out` if it does not end.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not is_still_it():
            return
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        ended, _, _ = select.select([handle], [], [], seconds)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise BrokerError(
            Kind.DENIED,
            f"the daemon is another user's process (pid {pid}): ask who runs it to stop it",
        ) from error
    finally:
        os.close(handle)
    if not ended:
        raise BrokerError(
            Kind.TIMED_OUT,
            f"the daemon (pid {pid}) is still ending: run credward daemon logs to see why",
        )
