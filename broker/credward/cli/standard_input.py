"""Input that is piped into a command: read up to a limit, and only if it is text.

The command knows what it means.
"""

from __future__ import annotations

import sys

from credward.errors import BrokerError, Kind

__all__ = ["read_text"]


def read_text(most: int, *, one_line: bool = False) -> str:
    """Return standard input, at most *most* bytes; with *one_line* up to the first line end.

    Raise `bad-request`, without repeating it, if it is not UTF-8.
    """
    stream = sys.stdin.buffer
    raw = stream.readline(most) if one_line else stream.read(most)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        # Longer input is cut, maybe inside a character, and the daemon refuses it for its length.
        if len(raw) == most:
            return raw.decode("utf-8", "ignore")
    raise BrokerError(Kind.BAD_REQUEST, "standard input is not text: pipe in only the secret")
