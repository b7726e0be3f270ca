"""What is piped into a command: read up to a limit, and only if it is text.

What it means is the command's business.
"""

from __future__ import annotations

import sys

from credward.errors import BrokerError, Kind

__all__ = ["read_text"]


def read_text(most: int, *, one_line: bool = False) -> str:
    """Return standard input, *most* bytes of it at most; with *one_line* up to its first line end.

    Raise `bad-request`, which repeats nothing of it, for what is not UTF-8.
    """
    stream = sys.stdin.buffer
    raw = stream.readline(most) if one_line else stream.read(most)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        # A longer one is cut, perhaps in mid-character, and refused for its length by the daemon.
        if len(raw) == most:
            return raw.decode("utf-8", "ignore")
    raise BrokerError(
        Kind.BAD_REQUEST, "what came on standard input is not text: pipe the bare secret in"
    )
