r"""Where in a text a line, a word or a string ends, however often its quotes are escaped.

Reads each character at most a few times.
"""

from __future__ import annotations

import re

__all__ = ["CLOSERS", "QUOTE", "WORD", "Source", "Span"]

Span = tuple[int, int]

QUOTE = re.compile(r"(?P<slashes>\\*)(?P<quote>[\"'`])")
WORD = re.compile(r"(?:[^\s\\]++|\\.)++\\?|\\")
CLOSERS = "\"'`,;.!?)]}>"
# Signs that people, and programs for them, write instead of ASCII; one character for one.
_PLAIN = str.maketrans(
    dict.fromkeys("\u201c\u201d\u201e\u201f\uff02", '"')
    | dict.fromkeys("\u2018\u2019\u201a\u201b\uff07", "'")
    | dict.fromkeys("\u00a0\u2007\u202f\u3000", " ")
    | {"\uff1d": "=", "\uff1a": ":"}
)


class Source:
    """A text with plain signs, as long as it was; *start* and *stop* are places in it."""

    def __init__(self, text: str) -> None:
        self.text = text.translate(_PLAIN)
        # The part of a line that was looked at last.
        self._part = (0, -1)

    def end_of_line(self, at: int) -> int:
        """Return where the line with *at* in it ends."""
        if not self._part[0] <= at <= self._part[1]:
            found = self.text.find("\n", at)
            self._part = (at, len(self.text) if found < 0 else found)
        return self._part[1]

    def indent(self, at: int) -> int:
        """Return how many spaces the line of *at* begins with; 0 from its place 200 on."""
        before = self.text[max(0, at - 200) : at].rpartition("\n")[2]
        return len(before) - len(before.lstrip())

    def string(self, start: int) -> tuple[Span, int]:
        """Return what is inside of the quotes at *start*, and where they have ended.

        At the end of the line, if they do not end in it; those of three end where they end.
        """
        text = self.text
        quote = QUOTE.match(text, start)
        assert quote is not None
        mark, level, begin = quote["quote"], len(quote["slashes"]), quote.end()
        triple = mark * 3
        if not level and text.startswith(triple, start):
            end = text.find(triple, start + 3)
            return (start + 3, len(text) if end < 0 else end), len(text) if end < 0 else end + 3
        end = self.end_of_line(begin)
        at = self.closing(level, mark, begin, end)
        if at is None:
            return (begin, end), end
        slashes = self.slashes(at, begin)
        if slashes < level or (level and slashes % 2 == 0):
            # It is the end of the string around this one.
            return (begin, at), at
        return (begin, at - level), at + 1

    def closing(self, level: int, mark: str, start: int, stop: int) -> int | None:
        """Return where before *stop* the quote *mark* after *level* backslashes closes."""
        period = 2 * (level + 1)
        at = self.text.find(mark, start, stop)
        while at >= 0:
            slashes = self.slashes(at, start)
            if slashes < level or slashes % period == level or (level and slashes % 2 == 0):
                return at
            at = self.text.find(mark, at + 1, stop)
        return None

    def slashes(self, at: int, start: int) -> int:
        """Return how many backslashes stand before *at*, from *start* on."""
        first = at
        while first > start and self.text[first - 1] == "\\":
            first -= 1
        return at - first

    def level(self, start: int) -> int:
        """Return how many backslashes stand before the quote at *start*."""
        quote = QUOTE.match(self.text, start)
        return 0 if quote is None else len(quote["slashes"])

    def argument(self, start: int) -> str:
        """Return the argument at *start*, without quotes."""
        if QUOTE.match(self.text, start) is not None:
            inside, _ = self.string(start)
            return self.text[slice(*inside)]
        word = WORD.match(self.text, start)
        return "" if word is None else word[0].rstrip(CLOSERS)

    def trimmed(self, start: int, end: int) -> int:
        """Return the *end* without marks that close."""
        while end > start and self.text[end - 1] in CLOSERS:
            end -= 1
        return end
