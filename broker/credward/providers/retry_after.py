"""Reads `Retry-After`: how long a server wants to be left alone.

Pure; the lifecycle makes sure that nobody asks before that time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["read_retry_after"]

# Beyond a day it is a mistake; our own back-off is better then (seconds).
_LONGEST_WAIT = 86_400.0


def read_retry_after(headers: Mapping[str, str], now: float | None) -> float | None:
    """Return how many seconds to wait (RFC 9110 section 10.2.3), None for what is absurd.

    *headers* have names in lower case; *now* in Unix seconds, None if a date cannot be used.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        wait = float(text) if len(text) < 10 else _LONGEST_WAIT + 1
    elif now is None:
        return None
    else:
        try:
            moment = parsedate_to_datetime(text)
            # A date without a zone is in GMT by the RFC.
            moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            wait = moment.timestamp() - now
        except (ValueError, OverflowError, OSError):
            return None
    return wait if 0 <= wait <= _LONGEST_WAIT else None
