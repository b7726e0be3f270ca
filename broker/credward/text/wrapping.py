"""Long lines for a terminal: broken at blanks, and not inside a command to type if that fits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from credward.text.tables import width_of

__all__ = ["wrapped"]

# A command of ours up to the next punctuation, or one word.
_PIECE = re.compile(r"\(?credward [^,;:()]*[^,;:() ][,;:)]*|\S+")


def wrapped(text: str, width: int | None) -> str:
    """Return one line of *text* as lines of at most *width* places; None or 0: as it is.

    A longer word stays whole. Further lines begin without blanks, so that a command can be copied.
    """
    if not width or width_of(text) <= width:
        return text
    lines = [""]
    for piece in _pieces(text, width):
        longer = f"{lines[-1]} {piece}" if lines[-1] else piece
        if lines[-1] and width_of(longer) > width:
            lines.append(piece)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def _pieces(text: str, width: int) -> Iterator[str]:
    for found in _PIECE.findall(text):
        if width_of(found) <= width:
            yield found
        else:
            yield from found.split(" ")
