"""A token as our own bytes, from the JSON string that a worker sends; no copy is left.

Bytes only, without a meaning; `receiver` gets them.
"""

from __future__ import annotations

import hashlib

import msgspec

__all__ = ["find_unprintable", "take_token", "token_id", "wipe"]


def take_token(token: msgspec.Raw) -> bytearray:
    """Return the text of a JSON string of printable ASCII as our own bytes, with no other copy.

    Raise `ValueError` for anything else: such a token would not fit into a header either.
    """
    view = memoryview(token)
    size = len(view) - 2
    if size <= 0 or view[0] != ord('"'):
        raise ValueError("a token is a text of at least one character")
    body = bytearray(view[1:-1])
    length = _unescape(body)
    if (at := find_unprintable(memoryview(body)[:length])) >= 0:
        wipe(body)
        raise ValueError(f"a token is printable ASCII (character {at + 1} is not)")
    # Cut at the end: `_unescape` set the rest to zero.
    del body[length:]
    return body


def token_id(body: bytearray) -> str:
    """Return the same short one-way name as `Secret.token_id`, without making a `str`."""
    return hashlib.sha256(body).hexdigest()[:16]


def find_unprintable(body: memoryview | bytearray | bytes) -> int:
    """Return the index of the first byte that is not printable ASCII, -1 if there is none."""
    return next((at for at, byte in enumerate(body) if not 0x20 <= byte <= 0x7E), -1)


def wipe(buffer: bytearray | memoryview) -> None:
    """Overwrite every byte."""
    buffer[:] = bytes(len(buffer))


def _unescape(body: bytearray) -> int:
    """Undo JSON's escapes in place, return the new length, and zero the bytes after it.

    Printable ASCII needs two escapes only, of the quote and of the backslash (tokens of kind `aws`
    are JSON themselves); every other escape means something that is not printable.
    """
    read, write, size = 0, 0, len(body)
    while (found := body.find(b"\\", read)) >= 0:
        if found + 1 == size or body[found + 1] not in b'"\\':
            wipe(body)
            raise ValueError("a token is printable ASCII (it holds an escape)")
        _move(body, write, read, found)
        write += found - read
        body[write] = body[found + 1]
        write += 1
        read = found + 2
    _move(body, write, read, size)
    write += size - read
    for at in range(write, size):
        body[at] = 0
    return write


def _move(body: bytearray, to: int, start: int, end: int) -> None:
    # Through a view and forwards, where a slice of the bytearray would be a copy of the secret.
    if to != start:
        for offset in range(end - start):
            body[to + offset] = body[start + offset]
