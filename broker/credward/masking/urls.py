"""Where an address has a user, a password, or a query.

Scheme, host and path stay. A raw quote is in no URL, but `@`, `/`, `:` and `?` are in passwords.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["places"]

Span = tuple[int, int]

_MARK = "://"
_WORD = re.compile(r"\S+")
_TO_QUOTE = {quote: re.compile(rf"[^\s\"{quote}]*") for quote in "\"'`"}
_TO_SPACE = re.compile(r'[^\s"]*')
_SCHEME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-")
_PORT = re.compile(r"[^:@]*:\d{1,5}")
_END = re.compile(r"[/?#]")
_QUERY_START = re.compile(r"[?#]")
# A query without an address before it.
_QUERY = re.compile(r"\?(?=[\w.%-]{1,64}=)")
# `user:password@host` without a scheme, as database drivers take it.
_BARE = re.compile(r"[^\s\"'<>()\[\]{},;=]+")
_CLOSERS = "\\\"'`>)]},;."


def places(text: str) -> Iterator[Span]:
    """Yield where *text* has users, passwords and queries of addresses."""
    for word in _WORD.finditer(text):
        if _MARK in word[0]:
            yield from _in_addresses(text, *word.span())
        elif "@" in word[0]:
            yield from _bare(text, *word.span())
        if (query := _QUERY.search(word[0])) is not None:
            yield _trimmed(text, word.start() + query.end(), word.end())


def _in_addresses(text: str, start: int, end: int) -> Iterator[Span]:
    while (mark := text.find(_MARK, start, end)) >= 0:
        first = mark
        while first > start and text[first - 1] in _SCHEME:
            first -= 1
        quote = text[first - 1] if first else ""
        after = mark + len(_MARK)
        found = _TO_QUOTE.get(quote, _TO_SPACE).match(text, after, end)
        start = end if found is None else max(found.end(), after)
        yield from _in_address(text, after, start)


def _in_address(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield what is secret between *start* (after the two slashes) and *end*."""
    address = text[start:end]
    first = _END.search(address)
    head = address[: first.start()] if first else address
    query = _QUERY_START.search(address)
    if ":" in head and not _PORT.fullmatch(head):
        # A password may have anything in it.
        at = address.rfind("@")
    else:
        at = address.rfind("@", 0, query.start() if query else len(address))
        if at > 0 and address[at - 1] == "/":
            # A name with a mark in a path: `/@scope/package`.
            at = -1
    if at >= 0:
        yield start, start + at
        query = _QUERY_START.search(address, at)
    if query is not None:
        yield _trimmed(text, start + query.end(), end)


def _bare(text: str, start: int, end: int) -> Iterator[Span]:
    for word in _BARE.finditer(text, start, end):
        at, colon = word[0].rfind("@"), word[0].find(":")
        if 0 <= colon < at:
            yield word.start() + colon + 1, word.start() + at


def _trimmed(text: str, start: int, end: int) -> Span:
    while end > start and text[end - 1] in _CLOSERS:
        end -= 1
    return start, end
