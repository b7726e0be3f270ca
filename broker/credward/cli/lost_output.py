"""Standard output that cannot be written, such as a full disk: one line and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn

from credward.cli.output import print_error
from credward.errors import BrokerError, Kind

__all__ = ["end_without_output", "is_lost"]


def is_lost() -> bool:
    """Return whether standard output fails; what failed to be written is tried again.

    An `OSError` does not say which file it is about.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        return True
    return False


def end_without_output(error: OSError) -> NoReturn:
    """End the program because of this *error* of standard output."""
    why = (error.strerror or "it is closed").lower()
    lost = BrokerError(
        Kind.INTERNAL, f"standard output cannot be written ({why}): check where it goes"
    )
    # Else Python tries once more at the end, and prints the error in its own way.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    try:
        print_error(lost)
    except OSError:
        # They go to the same place: only the code is left to say it.
        os.dup2(nowhere, sys.stderr.fileno())
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    sys.exit(lost.kind.exit_code)
