"""From a passphrase to a key: Argon2id, or scrypt if this OpenSSL has no Argon2id.

`sealed` uses the key. This is slow by design (0.1 to 1 s) and lets other threads run meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Annotated, cast

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from credward.errors import BrokerError, Kind

__all__ = ["Argon2idTerms", "ScryptTerms", "Stretched", "Terms", "new_terms", "stretch"]

_KEY_SIZE = 32
_Salt = Annotated[bytes, msgspec.Meta(min_length=16, max_length=64)]


class Argon2idTerms(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kdf",
    tag="argon2id",
):
    """Argon2id (RFC 9106), *memory* in KiB.

    The limits are above what we write today, and keep a forged file from taking more than 256 MiB
    and a few seconds.
    """

    salt: _Salt
    memory: Annotated[int, msgspec.Meta(ge=64, le=262_144)] = 65_536
    passes: Annotated[int, msgspec.Meta(ge=1, le=8)] = 3
    lanes: Annotated[int, msgspec.Meta(ge=1, le=8)] = 4


class ScryptTerms(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kdf",
    tag="scrypt",
):
    """Scrypt (RFC 7914); 128 * n * r bytes of memory, here 128 MiB."""

    salt: _Salt
    n: Annotated[int, msgspec.Meta(ge=2, le=262_144)] = 131_072
    r: Annotated[int, msgspec.Meta(ge=1, le=8)] = 8
    p: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1


Terms = Argon2idTerms | ScryptTerms


class Stretched(msgspec.Struct, frozen=True):
    """The keys of a passphrase, by the terms under which it was stretched."""

    keys: Mapping[Terms, bytearray]

    def __repr__(self) -> str:
        return f"Stretched({len(self.keys)})"

    def wipe(self) -> None:
        """Overwrite the keys."""
        for key in self.keys.values():
            key[:] = bytes(len(key))


def new_terms() -> Terms:
    """Return terms for a new passphrase, with a new salt."""
    terms = Argon2idTerms(salt=os.urandom(16))
    try:
        _argon2id(terms)
    except UnsupportedAlgorithm:
        return ScryptTerms(salt=os.urandom(16))
    return terms


def stretch(passphrase: bytes | bytearray, wanted: Iterable[Terms]) -> Stretched:
    """Return the keys of *passphrase* under each of the *wanted* terms; the caller wipes both.

    Raise `bad-request` for an empty passphrase, `fix-configuration` if this OpenSSL cannot do it.
    """
    if not passphrase:
        raise BrokerError(
            Kind.BAD_REQUEST, "the passphrase of the store is empty: choose one of several words"
        )
    try:
        return Stretched({terms: _stretch(passphrase, terms) for terms in wanted})
    except UnsupportedAlgorithm as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            "the passphrase of the store needs Argon2id, which this OpenSSL does not support: "
            "install the wheel of cryptography",
        ) from error


def _stretch(passphrase: bytes | bytearray, terms: Terms) -> bytearray:
    match terms:
        case Argon2idTerms():
            kdf: Argon2id | Scrypt = _argon2id(terms)
        case ScryptTerms():
            kdf = Scrypt(salt=terms.salt, length=_KEY_SIZE, n=terms.n, r=terms.r, p=terms.p)
    # Any buffer works, although the annotation does not say so.
    return bytearray(kdf.derive(cast("bytes", passphrase)))


def _argon2id(terms: Argon2idTerms) -> Argon2id:
    return Argon2id(
        salt=terms.salt,
        length=_KEY_SIZE,
        iterations=terms.passes,
        lanes=terms.lanes,
        memory_cost=terms.memory,
    )
