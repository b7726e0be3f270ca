"""A look at files that may hang, in a thread: a library must not fork its program.

`cli.surroundings` uses a child, because there nothing may outlive the answer.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from credward.errors import BrokerError, Kind

__all__ = ["by_thread"]


def by_thread(look: Callable[[], bytes], patience: float, what: str) -> bytes | None:
    """Return what *look* returns, None if that takes longer than *patience* (seconds).

    Raise `internal` if it failed; *what* is looked at. A look that never ends keeps its thread.
    """
    results: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(look())
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            results.put(error)

    threading.Thread(target=run, name="credward-look", daemon=True).start()
    try:
        found = results.get(timeout=max(patience, 0.0))
    except queue.Empty:
        return None
    if isinstance(found, Exception):
        raise BrokerError(Kind.INTERNAL, f"checking {what} failed: try again") from found
    return found
