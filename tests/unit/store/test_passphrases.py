"""Keys from passphrases."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from credward.errors import BrokerError, Kind
from credward.store import passphrases
from credward.store.passphrases import (
    Argon2idTerms,
    ScryptTerms,
    Terms,
    new_terms,
    stretch,
)

SALT = bytes(range(16))
QUICK = Argon2idTerms(salt=SALT, memory=64, passes=1, lanes=1)
QUICK_SCRYPT = ScryptTerms(salt=SALT, n=16)


@pytest.mark.parametrize("terms", [QUICK, QUICK_SCRYPT], ids=["argon2id", "scrypt"])
def test_the_same_words_and_terms_give_the_same_key(terms):
    """And anything else another one."""
    other = msgspec.structs.replace(terms, salt=bytes(16))

    keys = stretch(b"words", [terms, other]).keys

    assert keys[terms] == stretch(bytearray(b"words"), [terms]).keys[terms]
    assert len({bytes(key) for key in keys.values()} | {bytes(32)}) == 3
    assert keys[terms] != stretch(b"word", [terms]).keys[terms]


def test_scrypt_gives_what_its_standard_says():
    """The second vector of RFC 7914 section 12, the first 32 bytes; its salt is shorter than ours."""
    terms = ScryptTerms(salt=b"NaCl", n=1024, r=8, p=16)

    key = stretch(b"password", [terms]).keys[terms]

    assert key.hex() == "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"


def test_new_terms_are_strong_and_salted_anew():
    """Argon2id with 64 MiB in three passes over four lanes."""
    first, second = new_terms(), new_terms()

    assert first.salt != second.salt
    match first:
        case Argon2idTerms():
            assert (first.memory, first.passes, first.lanes) == (65_536, 3, 4)
        case ScryptTerms():
            assert (first.n, first.r, first.p) == (131_072, 8, 1)


def test_without_argon2id_it_is_scrypt(monkeypatch):
    """And a file that was stretched with Argon2id says so instead of failing strangely."""

    def unsupported(**_terms: object) -> Argon2id:
        raise UnsupportedAlgorithm("no Argon2id here")

    monkeypatch.setattr(passphrases, "Argon2id", unsupported)

    assert isinstance(new_terms(), ScryptTerms)
    with pytest.raises(BrokerError, match="Argon2id") as caught:
        stretch(b"words", [QUICK])
    assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_an_empty_passphrase_is_refused():
    """Nothing is locked with nothing."""
    with pytest.raises(BrokerError) as caught:
        stretch(b"", [QUICK])

    assert caught.value.kind is Kind.BAD_REQUEST


def test_wipe_overwrites_and_nothing_is_shown():
    """No key stays, no key is printed."""
    stretched = stretch(b"words", [QUICK])
    assert "keys" not in repr(stretched)

    stretched.wipe()

    assert set(stretched.keys[QUICK]) == {0}


@pytest.mark.parametrize(
    "forged",
    [
        {"kdf": "argon2id", "salt": "AAAA"},
        {"kdf": "argon2id", "salt": "A" * 22 + "==", "memory": 1 << 31},
        {"kdf": "argon2id", "salt": "A" * 22 + "==", "passes": 10_000},
        {"kdf": "scrypt", "salt": "A" * 22 + "==", "n": 1 << 40},
        {"kdf": "none", "salt": "A" * 22 + "=="},
    ],
)
def test_forged_terms_cannot_take_the_machine(forged):
    """The header is read before anything proves it."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(forged, Terms)
