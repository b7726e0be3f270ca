"""The sealed file as a value: its format, and how keys and entries are wrapped in it. Pure.

`files` reads and replaces the file, `recovery` decides which copy to trust, `kek` gets the keys.
Primitives: AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce before each ciphertext,
HKDF-SHA256 (RFC 5869), HMAC-SHA256 (RFC 2104).
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from credward.store.passphrases import Terms

__all__ = [
    "FORMAT",
    "DamagedError",
    "Meta",
    "SealedEntry",
    "SealedFile",
    "SourceKind",
    "UnknownFormatError",
    "Wrap",
    "WrongKeyError",
    "decode_file",
    "encode_file",
    "open_entry",
    "seal_entry",
    "subkey",
    "unwrap_kek",
    "verify_file",
    "wrap_kek",
]

FORMAT = 1
_KEY_SIZE = 32
_NONCE_SIZE = 12
_TAG_SIZE = 16
# One source, or a source and a passphrase.
_MOST_WRAPS = 2

SourceKind = Literal["key_file", "keychain", "systemd", "passphrase", "memory"]
# Readable without a key, so not secret; the file's seal covers it.
Meta = Mapping[str, str | int | float | bool | None]


class DamagedError(ValueError):
    """The file was changed or damaged; the text says briefly what is wrong."""


class UnknownFormatError(ValueError):
    """The file has a format that this version does not know."""


class WrongKeyError(ValueError):
    """A key does not open the data, or the data is damaged."""


class Wrap(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The key-encryption key, sealed under the key of one source.

    *terms*: how a passphrase becomes that key; None for all other sources.
    """

    source: SourceKind
    sealed: bytes
    terms: Terms | None = None


class SealedEntry(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One entry: *sealed* under its own key, and that *key* wrapped."""

    version: int
    key: bytes
    sealed: bytes
    meta: dict[str, str | int | float | bool | None] = {}


class SealedFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. *store* is its random name, *sequence* the last version given out.

    *mac* seals all the rest, under a key derived from the key-encryption key.
    """

    format: int = FORMAT
    store: str
    sequence: int
    # Each wrap for a passphrase is tried, and costs what its terms say.
    wraps: Annotated[tuple[Wrap, ...], msgspec.Meta(max_length=_MOST_WRAPS)]
    entries: dict[str, SealedEntry]
    mac: bytes = b""


class _AnyFormat(msgspec.Struct):
    format: int


# --- the file ------------------------------------------------------------------------------------


def encode_file(content: SealedFile, kek: bytes | bytearray) -> bytes:
    """Return the bytes of *content*, sealed as a whole."""
    return _canonical(msgspec.structs.replace(content, mac=_mac(content, kek)))


def decode_file(raw: bytes) -> SealedFile:
    """Read what `encode_file` wrote; its seal is checked by `verify_file`, which needs the key.

    Raise `UnknownFormatError`, or `DamagedError` for anything that we would not write.
    """
    try:
        if (found := msgspec.json.decode(raw, type=_AnyFormat).format) != FORMAT:
            raise UnknownFormatError(f"it has format {found}")
        content = msgspec.json.decode(raw, type=SealedFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "it is cut off" if "truncated" in str(error) else "it is not a sealed store"
        raise DamagedError("it is empty" if not raw else reason) from error
    # One value has one text: white space, repeated keys or loose base64 mean that it was changed.
    if _canonical(content) != raw or not content.wraps:
        raise DamagedError("it was changed")
    return content


def verify_file(content: SealedFile, kek: bytes | bytearray) -> None:
    """Raise `DamagedError` unless *content* is complete and was sealed under *kek*."""
    if not hmac.compare_digest(content.mac, _mac(content, kek)):
        raise DamagedError("its seal is broken")


def _mac(content: SealedFile, kek: bytes | bytearray) -> bytes:
    unsealed = _canonical(msgspec.structs.replace(content, mac=b""))
    return hmac.digest(subkey(kek, content.store, "integrity"), unsealed, "sha256")


def _canonical(content: SealedFile) -> bytes:
    return msgspec.json.encode(content, order="deterministic") + b"\n"


# --- keys ----------------------------------------------------------------------------------------


def subkey(kek: bytes | bytearray, store: str, purpose: str) -> bytes:
    """Return the 32-byte key of one *purpose*; no key tells anything about another."""
    kdf = HKDF(
        algorithm=hashes.SHA256(),
        length=_KEY_SIZE,
        salt=store.encode(),
        info=f"credward store {FORMAT} {purpose}".encode(),
    )
    return kdf.derive(kek)


def wrap_kek(
    kek: bytes | bytearray,
    key: bytes | bytearray,
    *,
    store: str,
    source: SourceKind,
    terms: Terms | None = None,
) -> Wrap:
    """Return *kek* wrapped under the *key* of a source."""
    return Wrap(source=source, sealed=_seal(key, kek, [store, source, "wrap"]), terms=terms)


def unwrap_kek(wrap: Wrap, key: bytes | bytearray, *, store: str) -> bytearray:
    """Return the key-encryption key, which the caller wipes; raise `WrongKeyError`."""
    kek = _open(key, wrap.sealed, [store, wrap.source, "wrap"])
    if len(kek) != _KEY_SIZE:
        raise WrongKeyError("the wrapped data is not a key")
    return kek


# --- entries -------------------------------------------------------------------------------------


def seal_entry(
    kek: bytes | bytearray,
    plain: bytes | bytearray | memoryview,
    *,
    store: str,
    name: str,
    version: int,
    meta: Meta,
) -> SealedEntry:
    """Return *plain* sealed; it opens only as this version of this entry of this store."""
    key = bytearray(os.urandom(_KEY_SIZE))
    try:
        return SealedEntry(
            version=version,
            key=_seal(subkey(kek, store, "entries"), key, [store, name, version, "key"]),
            sealed=_seal(key, plain, [store, name, version, "entry"]),
            meta=dict(meta),
        )
    finally:
        key[:] = bytes(_KEY_SIZE)


def open_entry(kek: bytes | bytearray, entry: SealedEntry, *, store: str, name: str) -> bytearray:
    """Return the plain bytes in a buffer that the caller wipes; raise `WrongKeyError`."""
    key = _open(subkey(kek, store, "entries"), entry.key, [store, name, entry.version, "key"])
    try:
        return _open(key, entry.sealed, [store, name, entry.version, "entry"])
    finally:
        key[:] = bytes(len(key))


def _seal(
    key: bytes | bytearray, plain: bytes | bytearray | memoryview, place: list[str | int]
) -> bytes:
    nonce = os.urandom(_NONCE_SIZE)
    return nonce + AESGCM(key).encrypt(nonce, plain, msgspec.json.encode(place))


def _open(key: bytes | bytearray, sealed: bytes, place: list[str | int]) -> bytearray:
    if len(sealed) < _NONCE_SIZE + _TAG_SIZE:
        raise WrongKeyError("too short to be sealed")
    plain = bytearray(len(sealed) - _NONCE_SIZE - _TAG_SIZE)
    try:
        AESGCM(key).decrypt_into(
            sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], msgspec.json.encode(place), plain
        )
    except (InvalidTag, ValueError) as error:
        raise WrongKeyError("it does not open") from error
    return plain
