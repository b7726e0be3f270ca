"""The store in memory: sealed entries, and the wraps of the key they need.

Knows no file and keeps no key: `store` passes the key-encryption key for each use.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import EllipsisType

import msgspec

from credward.errors import BrokerError, Kind
from credward.store.passphrases import Stretched
from credward.store.sealed import (
    Meta,
    SealedEntry,
    SealedFile,
    SourceKind,
    Wrap,
    WrongKeyError,
    encode_file,
    open_entry,
    seal_entry,
    unwrap_kek,
    wrap_kek,
)

__all__ = ["Contents", "Entry", "StaleVersionError", "unwrap_by_passphrase"]


class StaleVersionError(BrokerError):
    """The entry changed since it was read, so nothing is written."""


class Entry(msgspec.Struct, kw_only=True):
    """What is kept under a name. The caller wipes *plain*."""

    plain: bytearray
    version: int
    meta: dict[str, str | int | float | bool | None]

    def __repr__(self) -> str:
        return f"Entry(version {self.version})"


class Contents(msgspec.Struct, kw_only=True):
    """The changing content of the file. *sequence* is the last version that was given out."""

    store: str = msgspec.field(default_factory=lambda: os.urandom(16).hex())
    sequence: int = 0
    wraps: tuple[Wrap, ...] = ()
    entries: dict[str, SealedEntry] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, content: SealedFile, *, leap: int) -> Contents:
        """Return the content of a file; its next versions start *leap* higher."""
        return cls(
            store=content.store,
            sequence=content.sequence + leap,
            wraps=content.wraps,
            entries=dict(content.entries),
        )

    def encode(self, kek: bytearray) -> bytes:
        """Return the bytes of the file."""
        content = SealedFile(
            store=self.store,
            sequence=self.sequence,
            wraps=self.wraps,
            # A copy in one step, because another thread may be writing.
            entries=dict(self.entries),
        )
        return encode_file(content, kek)

    def get(self, name: str, kek: bytearray) -> Entry | None:
        """Return an entry, opened into a buffer that the caller wipes."""
        if (entry := self.entries.get(name)) is None:
            return None
        try:
            plain = open_entry(kek, entry, store=self.store, name=name)
        except WrongKeyError as error:
            raise BrokerError(
                Kind.INTERNAL, f'entry "{name}" of the store cannot be opened: run credward doctor'
            ) from error
        return Entry(plain=plain, version=entry.version, meta=dict(entry.meta))

    def put(
        self,
        name: str,
        plain: bytes | bytearray | memoryview,
        kek: bytearray,
        *,
        expect: int | EllipsisType | None,
        meta: Meta,
    ) -> int:
        """Seal *plain* under *name* and return its version."""
        self._check_version(name, expect)
        entry = seal_entry(
            kek, plain, store=self.store, name=name, version=self.sequence + 1, meta=meta
        )
        self.sequence += 1
        self.entries[name] = entry
        return self.sequence

    def delete(self, name: str, *, expect: int | EllipsisType | None) -> bool:
        """Forget *name* and return whether it was there."""
        self._check_version(name, expect)
        return self.entries.pop(name, None) is not None

    def _check_version(self, name: str, expect: int | EllipsisType | None) -> None:
        entry = self.entries.get(name)
        found = None if entry is None else entry.version
        if expect is not ... and expect != found:
            raise StaleVersionError(
                Kind.INTERNAL,
                f'entry "{name}" of the store has version {found or "none"}, not '
                f"{expect or 'none'}: it was changed meanwhile, ask again",
            )

    def wrap(self, kek: bytearray, key: bytearray, source: SourceKind) -> Wrap:
        """Return *kek* wrapped under the *key* of a source."""
        return wrap_kek(kek, key, store=self.store, source=source)

    def wrap_by_passphrase(self, kek: bytearray, stretched: Stretched) -> Wrap:
        """Return *kek* wrapped under a passphrase."""
        (terms, key), *_ = stretched.keys.items()
        return wrap_kek(kek, key, store=self.store, source="passphrase", terms=terms)

    def passphrase_wraps(self) -> tuple[Wrap, ...]:
        """Return the wraps that a passphrase can open."""
        return tuple(wrap for wrap in self.wraps if wrap.source == "passphrase")


def unwrap_by_passphrase(stretched: Stretched) -> Callable[[SealedFile | Contents], bytearray]:
    """Return a function that unwraps the key of a file by passphrase, or raises `WrongKeyError`."""

    def unwrap(content: SealedFile | Contents) -> bytearray:
        for wrap in content.wraps:
            if wrap.terms is not None and (key := stretched.keys.get(wrap.terms)) is not None:
                return unwrap_kek(wrap, key, store=content.store)
        raise WrongKeyError("no wrap for this passphrase")

    return unwrap
