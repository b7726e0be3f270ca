"""What is a secret by its look: keys in PEM, tokens of known vendors, and words that look random.

Needs no name beside it. Ids of requests are random too, and stay if they are called so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["is_random", "random_words", "shapes"]

Span = tuple[int, int]

_PEM = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]{1,40}-----")
# A JWT, and prefixes that vendors document.
_SHAPE = re.compile(
    r"\beyJ[\w-]{8,}(?:\.[\w-]*)*"
    r"|(?<![A-Za-z0-9])(?:sk-ant-|sk-proj-|sk_live_|rk_live_|gh[opsur]_|github_pat_|glpat-|hv[bsr]\."
    r"|AKIA|ASIA|AIza|ya29\.|xox[abeoprs]-|npm_|pypi-|SG\.|dop_v1_|dckr_pat_|gl(?:sa|c)_|shpat_"
    r"|lin_api_|tskey-|whsec_)[\w.~+/=-]{8,}"
    # So short that names of packages begin with them too.
    r"|(?<![A-Za-z0-9])(?:sk-|hf_|gsk_|xai-|r8_|pplx-|nvapi-)[\w-]{20,}"
)
_RUN = re.compile(r"[A-Za-z0-9+/=_~.%-]{12,}")
_PARTS, _PIECES = re.compile(r"[/.~%]"), re.compile(r"[=_+-]")
# Lengths from which on letters with digits, letters of both cases, and letters alone look random,
# and how short the words in a name are if it is none.
_MIXED, _BOTH_CASES, _LETTERS, _WORD = 12, 16, 32, 3.5
_CAMEL_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
# Inside of a word: a new capital, a capital that ends several, a digit after a letter or before
# one. Random letters and digits have one at every second place, a path at every eighth.
_CHANGE = re.compile(r"(?<=[a-z])[A-Z]|(?<=[A-Z]{2})[a-z]|(?<=[A-Za-z])[0-9]|(?<=[0-9])[A-Za-z]")
_CHANGING, _SHORTEST = 0.22, 16
# `kwalletmanager5`, `AADSTS7000215`.
_NUMBERED = re.compile(r"[a-z]+[0-9]|[A-Z]{4,8}[0-9]{4,8}")
_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# An id that its label calls one of a request.
_REQUEST_ID = re.compile(
    r"\b(?:request|trace|correlation|requestid|traceid|correlationid)(?:[ _-]?id)?"
    r"[\"']?[ ]?[:=]?[ ]?[\"']?"
    rf"(?P<id>{_UUID.pattern}|req_[0-9a-z]{{8,32}})(?![\w-])",
    re.IGNORECASE,
)


def shapes(text: str) -> Iterator[Span]:
    """Yield where *text* has what is a secret for certain."""
    # Without a beginning, all before an end belongs to it.
    start: int | None = 0
    begun = False
    for mark in _PEM.finditer(text):
        if mark[1] == "END" and start is not None:
            yield start, mark.end()
            start, begun = None, False
        elif mark[1] == "BEGIN" and not begun:
            start, begun = mark.start(), True
    if begun and start is not None:
        yield start, len(text)
    for found in _SHAPE.finditer(text):
        yield found.span()


def random_words(text: str) -> Iterator[Span]:
    """Yield where *text* has words that look random."""
    kept = {found.start("id") for found in _REQUEST_ID.finditer(text)}
    for found in _RUN.finditer(text):
        if found.start() not in kept and is_random(found[0]):
            yield found.span()


def is_random(run: str) -> bool:
    """Return whether a part of *run*, characters of a token, looks like one."""
    if _UUID.search(run):
        # Each of its parts may be a number.
        return True
    pieces = _NOT_ALPHANUMERIC.split(run)
    length = sum(map(len, pieces))
    if length >= _SHORTEST and len(_CHANGE.findall(run)) >= _CHANGING * length:
        return True
    return any(_looks_random(part) for part in _PARTS.split(run))


def _looks_random(part: str) -> bool:
    pieces = _PIECES.split(part)
    if any(_is_mixed(piece) or len(piece) >= _LETTERS for piece in pieces):
        return True
    whole = "".join(pieces)
    if len(whole) < _BOTH_CASES or whole.islower() or whole.isupper():
        return False
    words = _CAMEL_WORD.findall(whole)
    return _is_mixed(whole) or sum(map(len, words)) < _WORD * len(words)


def _is_mixed(piece: str) -> bool:
    """Return whether it has letters and digits, and not as a name or the code of an error has."""
    if len(piece) < _MIXED or piece.isalpha() or piece.isdecimal():
        return False
    return len(piece) >= _LETTERS or _NUMBERED.fullmatch(piece) is None
