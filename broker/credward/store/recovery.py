"""Which copy of the store to trust: the file itself, else its copy, else none.

Reports and keeps bad files; `store` uses an opened file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from credward.errors import BrokerError, Kind
from credward.store.files import last_of, read_private, replace, set_aside
from credward.store.sealed import (
    DamagedError,
    SealedFile,
    SourceKind,
    UnknownFormatError,
    WrongKeyError,
    decode_file,
    verify_file,
)

__all__ = ["Loaded", "Unwrap", "load", "peek", "sources_of"]

# Unwraps the key-encryption key of a file; None if that needs a passphrase. Raises `WrongKeyError`,
# or `BrokerError` if the key is not available.
Unwrap = Callable[[SealedFile], bytearray | None]


class Loaded(msgspec.Struct, kw_only=True):
    """What was read. *kek* None: locked, so the content is not verified yet.

    *recovered*: *content* may be older than the last save; *warning* tells people.
    """

    content: SealedFile
    kek: bytearray | None
    recovered: bool = False
    warning: str | None = None

    def __repr__(self) -> str:
        return f"Loaded({self.warning})"


def load(path: Path, unwrap: Unwrap, *, now: float) -> Loaded | None:
    """Return the store at *path*, None if there never was one.

    A damaged file is set aside if its copy opens with the same key; then the copy replaces it.
    Otherwise nothing is moved: raise `fix-configuration`, so that no new store silently replaces
    one that a backup may restore. The same goes for a wrong mode or owner and for a newer format,
    because then the content is not in doubt.
    """
    raw = read_private(path, "store")
    if raw is None:
        if last_of(path).exists():
            raise _refused(
                f"store {path} is gone, but its copy is there",
                f"run mv {last_of(path)} {path} to use that, or move it away to start again",
            )
        return None
    try:
        return _open(raw, unwrap)
    except UnknownFormatError as error:
        raise _refused(
            f"store {path} cannot be read, {error} and this version writes another",
            "install the version of credward that wrote it",
        ) from error
    except DamagedError as error:
        reason = f"is damaged, {error}"
        remedy = f"restore it from a backup, or move it and {last_of(path)} away and log in again"
    except WrongKeyError:
        reason = "does not open with its key, one of the two is wrong"
        remedy = "restore the key, or the store from a backup"
    if (loaded := _recover(path, unwrap, reason, now=now)) is not None:
        return loaded
    raise _refused(f"store {path} {reason}, and no other copy opens", remedy)


def peek(path: Path) -> SealedFile | None:
    """Return the file at *path* without verification, None if it cannot be read."""
    try:
        raw = read_private(path, "store")
        return None if raw is None else decode_file(raw)
    except (BrokerError, DamagedError, UnknownFormatError):
        return None


def sources_of(path: Path) -> tuple[SourceKind, ...] | None:
    """Return the key sources that the store at *path* names, without verification.

    None if there never was a store, so a key may be made; empty if it cannot be read.
    """
    if not path.exists() and not last_of(path).exists():
        return None
    found = peek(path) or peek(last_of(path))
    return () if found is None else tuple(wrap.source for wrap in found.wraps)


def _recover(path: Path, unwrap: Unwrap, reason: str, *, now: float) -> Loaded | None:
    last = last_of(path)
    try:
        raw = read_private(last, "store")
        if raw is None:
            return None
        loaded = _open(raw, unwrap)
    except (BrokerError, DamagedError, UnknownFormatError, WrongKeyError):
        # Report the problem of the first file.
        return None
    try:
        aside = set_aside(path, now)
        replace(path, raw)
    except OSError as error:
        raise _refused(
            f"store {path} {reason}, and cannot be set aside ({error.strerror})",
            "make its directory writable",
        ) from error
    loaded.recovered = True
    loaded.warning = (
        f"store {path} {reason}: it was moved to {aside}, and its copy is in use; "
        "if that is older, grants renewed since then may need a login"
    )
    return loaded


def _open(raw: bytes, unwrap: Unwrap) -> Loaded:
    content = decode_file(raw)
    kek = unwrap(content)
    if kek is not None:
        verify_file(content, kek)
    return Loaded(content=content, kek=kek)


def _refused(problem: str, remedy: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f"{problem}: {remedy}")
