"""What a caller hands over about its folder, written as any other client of the API would."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote_from_bytes

from credward.folder import Record

__all__ = ["encode"]


def encode(records: Iterable[Record]) -> bytes:
    """Return the body with these records (docs/reference/http-api.md)."""
    return b"".join(map(_encoded, records))


def _encoded(record: Record) -> bytes:
    kind, name = record.kind.encode(), quote_from_bytes(record.name, safe="").encode()
    if record.kind in {"unreadable", "too-large"}:
        return b"%s %s\n" % (kind, name)
    return b"%s %d %s\n%s\n" % (kind, len(record.content), name, record.content)
