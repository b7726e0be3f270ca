"""Entries and versions in memory."""

from __future__ import annotations

import pytest

from credward.errors import BrokerError, Kind
from credward.store.contents import Contents, StaleVersionError, unwrap_by_passphrase
from credward.store.passphrases import Argon2idTerms, stretch
from credward.store.sealed import WrongKeyError, decode_file, verify_file

KEK = bytearray(range(32))
TERMS = Argon2idTerms(salt=bytes(16), memory=64, passes=1, lanes=1)


def put(contents, name, plain=b"x", *, expect=...):
    """Put without meta."""
    return contents.put(name, plain, KEK, expect=expect, meta={})


def test_gives_back_what_was_put():
    """In a buffer of its own each time, with version and meta."""
    contents = Contents()
    version = contents.put("a", b"secret", KEK, expect=None, meta={"at": 1.0, "account": "me"})

    entry = contents.get("a", KEK)
    assert entry is not None
    assert (entry.plain, entry.version) == (b"secret", version)
    assert entry.meta == {"at": 1.0, "account": "me"}
    assert "secret" not in repr(entry)
    entry.plain[:] = bytes(6)
    assert contents.get("a", KEK).plain == b"secret"
    assert contents.get("b", KEK) is None


def test_entries_stay_sealed():
    """Nothing of the plain text lies in what the contents hold."""
    contents = Contents()
    put(contents, "a", b"in the clear")

    assert b"in the clear" not in repr(contents).encode()


def test_versions_rise_over_all_entries():
    """A deleted name that is made again never repeats a version."""
    contents = Contents()
    versions = [put(contents, "a"), put(contents, "b"), put(contents, "a")]
    contents.delete("a", expect=...)
    versions.append(put(contents, "a"))

    assert versions == [1, 2, 3, 4]


@pytest.mark.parametrize("expect", [None, 1, 3, 0])
def test_a_stale_write_changes_nothing(expect):
    """The entry is at version 2: whoever read another one, or none, lost."""
    contents = Contents()
    put(contents, "a")
    put(contents, "a", b"second")

    for attempt in (
        lambda: put(contents, "a", b"third", expect=expect),
        lambda: contents.delete("a", expect=expect),
    ):
        with pytest.raises(StaleVersionError, match='entry "a" of the store') as caught:
            attempt()
        assert isinstance(caught.value, BrokerError)
    assert contents.get("a", KEK).plain == b"second"
    assert contents.sequence == 2


def test_a_write_on_the_version_that_was_read_goes_through():
    """Also on none, where none is."""
    contents = Contents()
    version = put(contents, "a", expect=None)

    version = put(contents, "a", expect=version)
    assert contents.delete("a", expect=version)
    with pytest.raises(StaleVersionError, match="has version none"):
        put(contents, "a", expect=version)
    assert not contents.delete("a", expect=...)


def test_the_file_holds_all_of_it():
    """What is encoded decodes to the same entries, and versions go on after a leap."""
    contents = Contents()
    contents.wraps = (contents.wrap(KEK, bytearray(32), "key_file"),)
    put(contents, "a", b"secret")

    content = decode_file(contents.encode(KEK))
    verify_file(content, KEK)
    again = Contents.of(content, leap=100)

    assert again.get("a", KEK).plain == b"secret"
    assert put(again, "a") == 102


def test_an_entry_under_another_key_is_a_defect():
    """Said by name, without a traceback of the cipher."""
    contents = Contents()
    put(contents, "a")

    with pytest.raises(BrokerError, match='entry "a"') as caught:
        contents.get("a", bytearray(32))
    assert caught.value.kind is Kind.INTERNAL


def test_a_passphrase_takes_the_key_out():
    """Only the right one, and only where there is a wrap for it."""
    contents = Contents()
    right, wrong = (stretch(words, [TERMS]) for words in (b"right", b"wrong"))
    with pytest.raises(WrongKeyError):
        unwrap_by_passphrase(right)(contents)

    contents.wraps = (
        contents.wrap(KEK, bytearray(32), "key_file"),
        contents.wrap_by_passphrase(KEK, right),
    )

    assert unwrap_by_passphrase(right)(contents) == KEK
    assert [wrap.source for wrap in contents.passphrase_wraps()] == ["passphrase"]
    with pytest.raises(WrongKeyError):
        unwrap_by_passphrase(wrong)(contents)
