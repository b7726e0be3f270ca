"""What a caller sends about its folder, as bytes: variables and files, raw.

Only the format, which the helper also writes in C; `policy.claude_settings` reads the files, the
helper (`folder.c`) and `settings_files` find them.

A body is a list of records:

    variable LENGTH NAME       and LENGTH bytes, a newline (older helpers)
    file LENGTH PATH           and LENGTH bytes, a newline
    unreadable PATH
    too-large PATH

Each head ends in a newline; a path is percent-encoded (RFC 3986).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

import msgspec

__all__ = ["FOLDER_HEADER", "MEDIA_TYPE", "Record", "decode", "encode"]

MEDIA_TYPE = "application/vnd.credward.folder"
# In an answer: the daemon checked what was sent.
FOLDER_HEADER = "Credward-Folder"

_HEAD = re.compile(
    rb"(?:(?P<kind>variable|file) (?P<length>0|[1-9][0-9]{0,5})|(?P<fault>unreadable|too-large))"
    rb" (?P<name>[A-Za-z0-9%._~-]{1,16384})\n"
)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One variable with its value, or one file: with its content, or why there is none."""

    kind: Literal["variable", "file", "unreadable", "too-large"]
    name: bytes
    content: bytes = b""

    def __repr__(self) -> str:
        return f"Record({self.kind})"


def encode(
    kind: Literal["file", "unreadable", "too-large"], path: str, content: bytes | None = None
) -> bytes:
    """Return one record of a body; *content* is the content of a file."""
    length = "" if content is None else f"{len(content)} "
    head = f"{kind} {length}{quote(os.fsencode(path), safe='')}\n".encode()
    return head if content is None else head + content + b"\n"


def decode(body: bytes | bytearray) -> Iterator[Record]:
    """Yield the records of *body*; raise `ValueError` if the format is wrong."""
    at = 0
    while at < len(body):
        head = _HEAD.match(body, at)
        if head is None:
            raise ValueError("no record begins here")
        name, at = unquote_to_bytes(head["name"]), head.end()
        if head["fault"] is not None:
            fault: Literal["unreadable", "too-large"] = (
                "unreadable" if head["fault"] == b"unreadable" else "too-large"
            )
            yield Record(kind=fault, name=name)
            continue
        end = at + int(head["length"])
        if body[end : end + 1] != b"\n":
            raise ValueError("a record does not end where it says")
        kind: Literal["variable", "file"] = "variable" if head["kind"] == b"variable" else "file"
        yield Record(kind=kind, name=name, content=bytes(body[at:end]))
        at = end + 1
