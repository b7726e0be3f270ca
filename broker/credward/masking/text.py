"""Texts with masks in them; `pairs`, `urls` and `looks` say where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from credward.masking import looks, pairs, urls

__all__ = ["MASK", "last_line", "masked", "masked_members"]

Span = tuple[int, int]

MASK = "***"
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
# Characters of a line; longer ones are cut.
_LONGEST = 300


def masked(text: str, hidden: Iterable[str] = ()) -> str:
    """Return *text* with a mask for each word of *hidden*, and for all that may be a secret."""
    known = chain.from_iterable(_places_of(word, text) for word in set(hidden))
    # A name that stands directly before a value stays: what is left is looked at without it.
    left = _covered(text, chain(known, _certain(text)), MASK)
    return _covered(left, looks.random_words(left), MASK)


def masked_members(text: str, mask: str = MASK) -> str:
    """Return lines of settings with a *mask* for what is a secret by name, place or vendor.

    Words that only look random stay: settings have ids and digests. The number of lines stays too.
    """
    return _covered(text, _certain(text), mask)


def last_line(text: str, hidden: Iterable[str] = ()) -> str:
    """Return the last line of *text* that says something, masked, without colours, and cut."""
    plain = _ESCAPE.sub("", text.replace("\r", "\n"))
    # Masked first: half a secret would not be recognised, nor a line of a key.
    lines = [line.strip() for line in masked(plain, hidden).split("\n")]
    found = next((line for line in reversed(lines) if line), "")
    shown = "".join(each if each.isprintable() else " " for each in found).strip()
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _certain(text: str) -> Iterator[Span]:
    return chain(pairs.values(text), urls.places(text), looks.shapes(text))


def _places_of(word: str, text: str) -> Iterator[Span]:
    at = text.find(word) if word else -1
    while at >= 0:
        yield at, at + len(word)
        at = text.find(word, at + 1)


def _covered(text: str, spans: Iterable[Span], mask: str) -> str:
    """Return *text* with one *mask* for each stretch that *spans* cover, in each of its lines."""
    parts, end, begun = [], 0, -1
    for first, last in sorted(spans):
        if first >= last:
            continue
        if first <= end and begun >= 0:
            end = max(end, last)
            continue
        if begun >= 0:
            parts.append(_mask_for(text[begun:end], mask))
        parts.append(text[end:first])
        begun, end = first, last
    if begun >= 0:
        parts.append(_mask_for(text[begun:end], mask))
    return "".join([*parts, text[end:]])


def _mask_for(hidden: str, mask: str) -> str:
    return "\n".join(mask if line else "" for line in hidden.split("\n"))
