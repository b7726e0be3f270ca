"""The sealed format by table: what opens, what does not, and that nothing can be changed unseen."""

from __future__ import annotations

import json

import msgspec
import pytest

from credward.store.passphrases import Argon2idTerms
from credward.store.sealed import (
    DamagedError,
    SealedFile,
    UnknownFormatError,
    WrongKeyError,
    decode_file,
    encode_file,
    open_entry,
    seal_entry,
    subkey,
    unwrap_kek,
    verify_file,
    wrap_kek,
)

KEK = bytes(range(32))
SOURCE_KEY = bytes(range(32, 64))
STORE = "00112233445566778899aabbccddeeff"
TERMS = Argon2idTerms(salt=bytes(16), memory=64, passes=1, lanes=1)
PLAIN = b"a refresh token"


def sealed_file():
    """Return a small file with both kinds of wrap."""
    return SealedFile(
        store=STORE,
        sequence=7,
        wraps=(
            wrap_kek(KEK, SOURCE_KEY, store=STORE, source="key_file"),
            wrap_kek(KEK, SOURCE_KEY, store=STORE, source="passphrase", terms=TERMS),
        ),
        entries={
            name: seal_entry(KEK, PLAIN, store=STORE, name=name, version=7, meta={"at": 1.5})
            for name in ("grant/a", "grant/b")
        },
    )


RAW = encode_file(sealed_file(), KEK)


def open_whole(raw):
    """Read a file as the store does, to the last entry."""
    content = decode_file(raw)
    for wrap in content.wraps:
        assert unwrap_kek(wrap, SOURCE_KEY, store=content.store) == KEK
    verify_file(content, KEK)
    return {
        name: bytes(open_entry(KEK, entry, store=content.store, name=name))
        for name, entry in content.entries.items()
    }


def test_opens_what_it_sealed():
    """Entries, wraps, the text itself: one line of JSON of format 1, with nothing of the secret."""
    assert open_whole(RAW) == {"grant/a": PLAIN, "grant/b": PLAIN}
    assert json.loads(RAW)["format"] == 1
    assert RAW.count(b"\n") == 1
    assert PLAIN not in RAW


def test_every_flipped_byte_is_reported():
    """Whichever byte, and whichever bit of it: damaged, unknown, or opened by no key."""
    changed = bytearray(RAW)
    for at in range(len(RAW)):
        for bit in (0x01, 0x20, 0x80):
            changed[at] ^= bit
            with pytest.raises((DamagedError, UnknownFormatError, WrongKeyError)):
                open_whole(bytes(changed))
            changed[at] ^= bit


def test_every_truncation_is_reported():
    """At each length; also what is too long."""
    for length in range(len(RAW)):
        with pytest.raises((DamagedError, UnknownFormatError)):
            open_whole(RAW[:length])
    for more in (b"\n", b" ", b"{}", RAW):
        with pytest.raises(DamagedError):
            open_whole(RAW + more)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "it is empty"),
        (RAW[:-20], "it is cut off"),
        (b"secret", "it is not a sealed store"),
        (b"[1]\n", "it is not a sealed store"),
        (b'{"format":1}\n', "it is not a sealed store"),
        (RAW.replace(b'"sequence"', b' "sequence"'), "it was changed"),
        (RAW.replace(b'"sequence":7', b'"sequence":8'), "its seal is broken"),
    ],
)
def test_says_what_is_wrong(raw, says):
    """In a few words, without anything of the content."""
    with pytest.raises(DamagedError) as caught:
        open_whole(raw)

    assert str(caught.value) == says


@pytest.mark.parametrize("number", [0, 2, 10**30])
def test_another_format_is_not_damage(number):
    """It was written by another version, whatever else stands in it."""
    with pytest.raises((UnknownFormatError, DamagedError)) as caught:
        decode_file(b'{"format":%d,"new":true}' % number)

    assert number > 2 or isinstance(caught.value, UnknownFormatError)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: {"store": "f" * 32},
        lambda content: {"entries": {**content.entries, "grant/c": content.entries["grant/a"]}},
        lambda content: {"entries": {}},
        lambda content: {"wraps": content.wraps[:1]},
        lambda content: {"sequence": 6},
    ],
    ids=["store", "copied entry", "no entries", "less wraps", "sequence"],
)
def test_the_seal_covers_all(change):
    """Whoever has no key changes nothing, not even what lies open."""
    content = decode_file(RAW)
    changed = msgspec.structs.replace(content, **change(content))

    with pytest.raises(DamagedError):
        verify_file(changed, KEK)


@pytest.mark.parametrize(
    ("store", "name", "version"),
    [("f" * 32, "a", 1), (STORE, "b", 1), (STORE, "a", 2)],
    ids=["store", "name", "version"],
)
def test_an_entry_opens_in_its_place_only(store, name, version):
    """Additional data: the store, the entry's name, its version."""
    entry = seal_entry(KEK, PLAIN, store=STORE, name="a", version=1, meta={})
    assert open_entry(KEK, entry, store=STORE, name="a") == PLAIN

    moved = msgspec.structs.replace(entry, version=version)
    with pytest.raises(WrongKeyError):
        open_entry(KEK, moved, store=store, name=name)


@pytest.mark.parametrize("plain", [b"", b"x", bytes(100_000), memoryview(b"view")])
def test_any_content_is_kept(plain):
    """Nothing, much, and views."""
    entry = seal_entry(KEK, plain, store=STORE, name="a", version=1, meta={})

    assert open_entry(KEK, entry, store=STORE, name="a") == bytes(plain)


def test_every_sealing_is_its_own():
    """Fresh keys and nonces: the same secret never looks the same."""
    first, second = (
        seal_entry(KEK, PLAIN, store=STORE, name="a", version=1, meta={}) for _ in range(2)
    )

    assert first.key != second.key
    assert first.sealed != second.sealed


def test_a_wrap_opens_with_its_key_for_its_source_only():
    """A wrap cannot be passed off as one of another source."""
    wrap = wrap_kek(KEK, SOURCE_KEY, store=STORE, source="key_file")
    assert unwrap_kek(wrap, SOURCE_KEY, store=STORE) == KEK

    for bad, key, store in [
        (wrap, bytes(32), STORE),
        (wrap, SOURCE_KEY, "f" * 32),
        (msgspec.structs.replace(wrap, source="systemd"), SOURCE_KEY, STORE),
        (msgspec.structs.replace(wrap, sealed=b"short"), SOURCE_KEY, STORE),
        (wrap_kek(b"short", SOURCE_KEY, store=STORE, source="systemd"), SOURCE_KEY, STORE),
    ]:
        with pytest.raises(WrongKeyError):
            unwrap_kek(bad, key, store=store)


def test_purposes_have_keys_of_their_own():
    """By purpose, store and key; none is the key itself."""
    keys = {
        subkey(KEK, STORE, "integrity"),
        subkey(KEK, STORE, "entries"),
        subkey(KEK, "f" * 32, "entries"),
        subkey(SOURCE_KEY, STORE, "entries"),
        KEK,
    }

    assert len(keys) == 5
    assert {len(key) for key in keys} == {32}
    assert subkey(KEK, STORE, "integrity") == subkey(bytearray(KEK), STORE, "integrity")


def test_the_format_stays_readable():
    """A file of this format that was written once opens for ever: the pinned text is the promise."""
    pinned = subkey(KEK, STORE, "purpose journal").hex()

    assert pinned == PINNED_SUBKEY
    assert open_whole(PINNED_FILE) == {"grant/a": PLAIN, "grant/b": PLAIN}


PINNED_SUBKEY = "554ebbefb80d681be75555618ee9e161bdb1c3e73990c665685fc50f354b4edb"
PINNED_FILE = (
    b'{"format":1,"store":"00112233445566778899aabbccddeeff","sequence":7,"wraps":[{"source"'
    b':"key_file","sealed":"lZ37mPzbgC4rERbuuyj3gHfnCB918Qc8BSebk2AZyJhfmsXzR0IYZVyza9VSy/VH'
    b'7I5i473Viy/W7IVx"},{"source":"passphrase","sealed":"x611pwLW1Ft1/Rwc3vrpIwcEIxj0IEba+R'
    b'PnqHgUISjRMKqrQuHs+VZdcF/TgFd2C0ogQvB/4gKK66Z8","terms":{"kdf":"argon2id","salt":"AAAA'
    b'AAAAAAAAAAAAAAAAAA==","memory":64,"passes":1,"lanes":1}}],"entries":{"grant/a":{"versi'
    b'on":7,"key":"Ldlw4S1MXyC1lo6Txz+gyTLi9gzMmM4fWBN7EU+ANgDwcSmLw9ookSoTisRwe/jK1fkxqSiMA'
    b'Lf+MwUw","sealed":"i/kqZFmHvboBTmuX8JK4fplm+PLq6r7FL/jidHa6IqIpME0bPBuajv544w==","meta'
    b'":{"at":1.5}},"grant/b":{"version":7,"key":"Q7mcEkMiZFM4p+AsBbARYhE9j3X/N66GP0JOurhluC'
    b'5VlX6Q6e09Ltzj5Pc/QqVClyGYkkXIilDOV+Gq","sealed":"GAMZYsfJSGcZlv7aG9RiL5auXTvR3MaZVz4E'
    b'NOZeV0fEb3kSkN8rSDqv7w==","meta":{"at":1.5}}},"mac":"luu2Gkoz30wKp2wYppgZBmMf5W5f3eJ3t'
    b'UFpvmXeij4="}\n'
)


@pytest.mark.parametrize(
    "terms",
    [
        {"kdf": "argon2id", "memory": 262_145},
        {"kdf": "argon2id", "memory": 1 << 30},
        {"kdf": "argon2id", "passes": 9},
        {"kdf": "argon2id", "lanes": 9},
        {"kdf": "scrypt", "n": 1 << 19},
        {"kdf": "scrypt", "r": 9},
        {"kdf": "scrypt", "p": 5},
    ],
)
def test_terms_that_would_cost_too_much(terms):
    """A forged head does not have an unlock take all memory, or minutes: it is damage like another."""
    wrap = {"source": "passphrase", "sealed": "AAAA", "terms": {"salt": "A" * 24, **terms}}
    with pytest.raises(DamagedError):
        decode_file(forged([wrap]))


def test_more_wraps_than_are_ever_written():
    """Each that a passphrase opens would be tried."""
    wrap = {
        "source": "passphrase",
        "sealed": "AAAA",
        "terms": {"kdf": "argon2id", "salt": "A" * 24},
    }
    with pytest.raises(DamagedError, match="not a sealed store"):
        decode_file(forged([wrap] * 3))


def forged(wraps):
    words = {"format": 1, "store": "x", "sequence": 0, "wraps": wraps, "entries": {}, "mac": ""}
    return msgspec.json.encode(words)
