"""Tables that fit a terminal: the least useful columns go first, then long cells are shortened.

Without a width all is shown. What the cells say is up to their users.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from credward.text.styles import styled

__all__ = ["Column", "beginning", "cut", "ending", "lines_of", "plain", "width_of"]

_GAP = 2


def plain(text: str) -> str:
    """Return *text* with a mark for each control character of a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def width_of(text: str) -> int:
    """Return how many places of a terminal *text* takes."""
    if text.isascii():
        return len(text)
    import unicodedata  # noqa: PLC0415 - most names need none

    # Wide and full-width characters (UAX #11) take two, combining ones none.
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )


def cut(text: str, width: int) -> str:
    """Return *text* in at most *width* places, with an ellipsis where it was cut off."""
    if width_of(text) <= width:
        return text
    return f"{beginning(text, width - 1)}…"[:width]


def beginning(text: str, room: int) -> str:
    """Return as much of the beginning of *text* as fits into *room* places."""
    taken = 0
    for at, each in enumerate(text):
        taken += width_of(each)
        if taken > room:
            return text[:at]
    return text


def ending(text: str, room: int) -> str:
    """Return as much of the end of *text* as fits into *room* places."""
    return beginning(text[::-1], room)[::-1]


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A title and its cells.

    *least*: how far they may be shortened by *shorten*, 0: not at all. *goes*: which column is left
    out first, the highest; 0: never.
    """

    title: str
    cells: Sequence[str]
    least: int = 0
    goes: int = 0
    shorten: Callable[[str, int], str] = cut

    @property
    def width(self) -> int:
        """How wide it is in full."""
        return max(width_of(each) for each in (self.title, *self.cells))

    @property
    def narrow(self) -> int:
        """How wide it is at least."""
        return min(self.width, max(self.least, width_of(self.title))) if self.least else self.width


def lines_of(
    columns: Sequence[Column], width: int | None, colour_of: Mapping[str, str] | None = None
) -> list[str]:
    """Return header and rows, at most *width* places wide; cells in *colour_of* are coloured."""
    columns = [
        msgspec.structs.replace(each, cells=[plain(cell) for cell in each.cells])
        for each in columns
    ]
    if width is not None:
        columns = _that_fit(columns, width)
    widths = _widths(columns, width)
    rows = zip(*(each.cells for each in columns), strict=True)
    lines = []
    for number, row in enumerate(([each.title for each in columns], *rows)):
        cells = []
        for column, places, cell in zip(columns, widths, row, strict=True):
            text = cell if width_of(cell) <= places else column.shorten(cell, places)
            # The last column is not padded: no spaces at the end of a line.
            padding = "" if column is columns[-1] else " " * (places - width_of(text))
            colour = (colour_of or {}).get(cell)
            cells.append(styled(text, "bold" if number == 0 else colour) + padding)
        lines.append((" " * _GAP).join(cells))
    return lines


def _that_fit(columns: list[Column], width: int) -> list[Column]:
    shown = list(columns)
    while _total([each.narrow for each in shown]) > width:
        if not (droppable := [each for each in shown if each.goes]):
            break
        shown.remove(max(droppable, key=lambda each: each.goes))
    return shown


def _widths(columns: Sequence[Column], width: int | None) -> list[int]:
    widths = [each.width for each in columns]
    if width is None:
        return widths
    # No cell can be wider than the window, and from there on it goes place by place.
    widths = [min(each, width) for each in widths]
    # In a window that is too narrow even for that, everything shrinks.
    for least in ([each.narrow for each in columns], [1] * len(columns)):
        while _total(widths) > width:
            spare = [have - need for have, need in zip(widths, least, strict=True)]
            if max(spare) <= 0:
                break
            widths[spare.index(max(spare))] -= 1
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)
