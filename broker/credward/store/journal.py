"""The rotation journal: where a worker makes a rotated grant durable before anybody hears of it.

Used by both ends. The daemon makes a journal per worker and writes down which grant it lends; the
worker, which holds the lock as long as it lives, notes that an exchange is about to begin and seals
what it brought. What is done with a journal after a crash is decided by `grants.keeper`.

Layout of a file (fixed size, so that a full disk cannot stop a rotation half-way): a block for the
lease, then one for the sealed grant. Each holds one line: a CRC-32, a blank, JSON.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import threading
import zlib
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from credward.named_files import open_file, sync_directory

__all__ = [
    "GrantFields",
    "Journal",
    "JournalDirectory",
    "JournalState",
    "Lease",
    "SealedGrant",
    "open_grant",
    "seal_grant",
]

_LEASE_SIZE = 4096
_GRANT_SIZE = 60 * 1024
_SIZE = _LEASE_SIZE + _GRANT_SIZE
_NONCE = 12

# What file systems answer that cannot reserve room.
_NO_RESERVING = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}

_S = TypeVar("_S", bound=msgspec.Struct)


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """Which grant is lent for which mint.

    *family* names the login that it comes from, *generation* counts its rotations since. *phase*
    `leased`: nothing was sent so far; `open`: the exchange may have reached the server.
    *rotation_retry*: whether the grant may be tried again after an exchange that was cut off.
    """

    mint: str
    grant: str
    family: int
    generation: int
    phase: Literal["leased", "open"] = "leased"
    rotation_retry: bool = True


class GrantFields(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A grant in the clear: what a rotation or a login gives, *ends_at* in Unix seconds."""

    secret: str
    account: str | None = None
    ends_at: float | None = None

    def __repr__(self) -> str:
        return "GrantFields(***)"


class SealedGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A rotated grant under its one-mint key; *generation* is the one that it has itself."""

    mint: str
    grant: str
    family: int
    generation: int
    sealed: bytes


class JournalState(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal says."""

    lease: Lease | None
    sealed: SealedGrant | None


def seal_grant(lease: Lease, key: bytes, fields: GrantFields) -> SealedGrant:
    """Return the next generation of the leased grant, sealed under the one-mint key."""
    generation = lease.generation + 1
    nonce = os.urandom(_NONCE)
    plain = bytearray(msgspec.json.encode(fields))
    try:
        sealed = AESGCM(key).encrypt(nonce, plain, _context(lease.mint, lease, generation))
    finally:
        plain[:] = bytes(len(plain))
    return SealedGrant(
        mint=lease.mint,
        grant=lease.grant,
        family=lease.family,
        generation=generation,
        sealed=nonce + sealed,
    )


def open_grant(sealed: SealedGrant, key: bytes) -> GrantFields:
    """Return the grant; raise `ValueError` where it is damaged or sealed under another key."""
    size = len(sealed.sealed) - _NONCE - 16
    if size < 0:
        raise ValueError("a sealed grant is cut short")
    plain = bytearray(size)
    context = _context(sealed.mint, sealed, sealed.generation)
    try:
        AESGCM(key).decrypt_into(sealed.sealed[:_NONCE], sealed.sealed[_NONCE:], context, plain)
        return msgspec.json.decode(plain, type=GrantFields)
    except (InvalidTag, msgspec.DecodeError):
        raise ValueError("a sealed grant is not intact") from None
    finally:
        plain[:] = bytes(size)


def _context(mint: str, named: Lease | SealedGrant, generation: int) -> bytes:
    return msgspec.json.encode(["journal", mint, named.grant, named.family, generation])


class Journal:
    """One file, by a descriptor that closes with this object."""

    def __init__(self, descriptor: int, path: Path | None = None) -> None:
        self._descriptor = descriptor
        self.path = path

    def fileno(self) -> int:
        """Return the descriptor, whose lock is shared with whoever inherits it."""
        return self._descriptor

    def lock(self) -> bool:
        """Take the lock, or return False because a worker that is still alive holds it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    # --- the daemon's half

    def lend(self, lease: Lease) -> None:
        """Write down what the worker is about to be given.

        Not synced: the worker does that before it sends anything, and without a crash of the whole
        machine the next daemon reads what this one wrote.
        """
        self._write(0, _LEASE_SIZE, lease)

    def clear(self) -> None:
        """Forget everything: it is in the store. What a crash brings back is too old to matter."""
        os.pwrite(self._descriptor, bytes(_SIZE), 0)

    def remove(self) -> None:
        """Delete the file, where that can be done, and close it.

        One that stays is read by the next daemon, which finds it out of date.
        """
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    # --- the worker's half

    def open_window(self, lease: Lease) -> None:
        """Note durably that the exchange begins: from here on the grant may have been used."""
        self._write(0, _LEASE_SIZE, msgspec.structs.replace(lease, phase="open"))
        os.fsync(self._descriptor)

    def keep(self, sealed: SealedGrant) -> None:
        """Make a rotated grant durable."""
        self._write(_LEASE_SIZE, _GRANT_SIZE, sealed)
        os.fsync(self._descriptor)

    # --- both

    def read(self) -> JournalState:
        """Return what is written here; what is torn or damaged counts as not written.

        Raise `OSError` where the disk does not give it back.
        """
        return JournalState(
            lease=self._read(0, _LEASE_SIZE, Lease),
            sealed=self._read(_LEASE_SIZE, _GRANT_SIZE, SealedGrant),
        )

    def _write(self, at: int, size: int, record: msgspec.Struct) -> None:
        text = msgspec.json.encode(record)
        line = b"%08x %b\n" % (zlib.crc32(text), text)
        if len(line) > size:
            raise OSError(errno.EFBIG, f"a record of {len(line)} bytes is too long")
        written = os.pwrite(self._descriptor, line.ljust(size, b"\0"), at)
        if written != size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _read(self, at: int, size: int, shape: type[_S]) -> _S | None:
        line = os.pread(self._descriptor, size, at).partition(b"\n")[0]
        checksum, _, text = line.partition(b" ")
        try:
            if int(checksum, 16) != zlib.crc32(text):
                return None
            return msgspec.json.decode(text, type=shape)
        except (ValueError, msgspec.DecodeError):
            return None


class JournalDirectory:
    """Where the journals of one store lie; made at the start of a daemon, once it is the only one.

    So it knows those of earlier daemons from its own.
    *spares*: how many are kept ready for the time when no new one can be made. While the store
    cannot be written, each rotating grant occupies one, and its next mint needs another.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Files alone: nothing else was made here, and it must not hold up every grant.
        self._earlier = sorted(each for each in path.glob("*.journal") if _is_file(each))
        self._spare: list[Journal] = []
        # Journals are made in threads.
        self._turn = threading.Lock()
        self.spares = 1

    def create(self) -> Journal:
        """Return a journal, preallocated, durable by name, and locked; raise `OSError`."""
        with self._turn:
            try:
                journal = self._create()
            except OSError:
                if not self._spare:
                    raise
                return self._spare.pop()
            with contextlib.suppress(OSError):
                while len(self._spare) < self.spares:
                    self._spare.append(self._create())
            return journal

    def release(self, journal: Journal) -> None:
        """Take back a journal of which nothing is needed any more."""
        try:
            journal.clear()
        except OSError:
            journal.remove()
            return
        with self._turn:
            if len(self._spare) < self.spares:
                self._spare.append(journal)
                return
        journal.remove()

    def _create(self) -> Journal:
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path / f"{secrets.token_hex(8)}.journal"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        journal = Journal(open_file(path, flags, follow=False), path)
        try:
            _allocate(journal.fileno())
            os.fsync(journal.fileno())
            sync_directory(self._path)
            journal.lock()
        except OSError:
            journal.remove()
            raise
        return journal

    def leftovers(self) -> list[Path]:
        """Return where the journals of earlier daemons lie, or lay at the start."""
        return list(self._earlier)

    def open(self, path: Path) -> Journal | None:
        """Return one, to be locked, read and released; None if it is gone; raise `OSError`."""
        try:
            return Journal(open_file(path, os.O_RDWR, follow=False), path)
        except FileNotFoundError:
            return None


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _allocate(descriptor: int) -> None:
    # Where the file system cannot reserve (or the system has no call for it), zeros do it.
    try:
        os.posix_fallocate(descriptor, 0, _SIZE)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_RESERVING:
            raise
        if os.pwrite(descriptor, bytes(_SIZE), 0) != _SIZE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
