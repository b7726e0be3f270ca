"""Damaged files: reported, kept, and the copy before used only when it opens."""

from __future__ import annotations

import os

import pytest

from credward.errors import BrokerError, Kind
from credward.store.files import last_of
from credward.store.kek import KeyFileSource
from credward.store.recovery import load, peek, sources_of
from credward.store.store import Store
from fakes.clock import FakeClock

NOW = 1_800_000_000.0


@pytest.fixture
def clock():
    """Return a clock that stands."""
    return FakeClock(NOW)


@pytest.fixture
def path(tmp_path):
    """Return a store of two saves, of which a kill kept the copy from the second."""
    path = tmp_path / "state" / "store.sealed"
    store = Store.open(path, keys(tmp_path))
    store.put("a", b"first")
    store.save()
    first = path.read_bytes()
    store.put("a", b"second")
    store.save()
    last_of(path).write_bytes(first)
    return path


def keys(tmp_path):
    """Return the source of all stores here."""
    return KeyFileSource(tmp_path / "store.key")


def content(store):
    """Return the plain text of the one entry."""
    return bytes(store.get("a").plain)


def refusal(path, source):
    """Return how opening is refused."""
    with pytest.raises(BrokerError) as caught:
        Store.open(path, source)
    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.message


def damage(path, how):
    """Change the file at *path*."""
    raw = path.read_bytes()
    match how:
        case "truncated":
            path.write_bytes(raw[: len(raw) // 2])
        case "empty":
            path.write_bytes(b"")
        case "flipped":
            path.write_bytes(raw.replace(b'"a":{', b'"b":{'))
        case "wrap flipped":
            at = raw.index(b'"sealed"') + 20
            path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        case "not ours":
            path.write_bytes(b"-----BEGIN PGP MESSAGE-----\n")
        case _:
            pytest.fail(how)


DAMAGES = ["truncated", "empty", "flipped", "wrap flipped", "not ours"]


@pytest.mark.parametrize("how", DAMAGES)
def test_the_copy_before_takes_the_place_of_a_damaged_file(path, tmp_path, clock, how):
    """Said in a warning; the damaged one is kept under the time."""
    damage(path, how)
    damaged = path.read_bytes()

    store = Store.open(path, keys(tmp_path), clock=clock)

    aside = path.with_name("store.sealed.corrupt-1800000000")
    assert content(store) == b"first"
    assert aside.read_bytes() == damaged
    assert path.read_bytes() == last_of(path).read_bytes()
    assert store.recovered
    (warning,) = store.warnings
    assert str(path) in warning
    assert str(aside) in warning


def test_every_flipped_byte_is_noticed(path, tmp_path, clock):
    """Whichever: the store never opens with what is in such a file."""
    raw = path.read_bytes()
    for at in range(0, len(raw), 7):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        try:
            store = Store.open(path, keys(tmp_path), clock=clock)
        except BrokerError as failure:
            # The number of the format: another version's file is left where it is.
            assert str(path) in failure.message
            assert chr(raw[at]) == "1"
            continue
        assert store.recovered
        assert content(store) == b"first"


def test_every_truncation_is_noticed(path, tmp_path, clock):
    """At any length the copy before is used."""
    raw = path.read_bytes()
    for length in range(0, len(raw), 11):
        path.write_bytes(raw[:length])

        store = Store.open(path, keys(tmp_path), clock=clock)

        assert store.recovered
        assert content(store) == b"first"


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("copy", ["damaged too", "open to others", "missing"])
def test_without_a_good_copy_nothing_is_moved(path, tmp_path, how, copy):
    """A backup may bring it back: no new store takes its place, however often we start."""
    damage(path, how)
    match copy:
        case "damaged too":
            damage(last_of(path), how)
        case "open to others":
            last_of(path).chmod(0o644)
        case "missing":
            last_of(path).unlink()
    before = {each: (path.parent / each).read_bytes() for each in os.listdir(path.parent)}

    for _ in range(2):
        assert "no other copy opens" in refusal(path, keys(tmp_path))

    assert {each: (path.parent / each).read_bytes() for each in before} == before
    assert sorted(os.listdir(path.parent)) == sorted(before)


def test_a_wrong_key_is_no_damage(path, tmp_path):
    """Two good files and a foreign key: nothing is set aside."""
    (tmp_path / "store.key").unlink()
    KeyFileSource(tmp_path / "store.key").key(create=True)

    shown = refusal(path, keys(tmp_path))

    assert "does not open with its key" in shown
    assert sorted(os.listdir(path.parent)) == ["store.sealed", "store.sealed.last"]


def test_a_newer_format_is_no_damage(path, tmp_path):
    """An older version must not fall back to what was before the newer one."""
    path.write_bytes(b'{"format":2,"better":true}\n')

    assert "install the version of credward that wrote it" in refusal(path, keys(tmp_path))
    assert sorted(os.listdir(path.parent)) == ["store.sealed", "store.sealed.last"]


def test_a_changed_mode_is_no_damage(path, tmp_path):
    """The content is whole: an older one in its place could hold a used refresh token."""
    path.chmod(0o644)
    assert f"run chmod 0600 {path}" in refusal(path, keys(tmp_path))

    path.chmod(0o600)
    assert content(Store.open(path, keys(tmp_path))) == b"second"


def test_a_file_that_is_gone_is_not_brought_back_quietly(path, tmp_path):
    """Perhaps somebody took it away on purpose: both ways on are named."""
    path.unlink()

    assert f"run mv {last_of(path)} {path}" in refusal(path, keys(tmp_path))
    assert os.listdir(path.parent) == ["store.sealed.last"]


def test_versions_go_on_beyond_those_of_the_lost_file(path, tmp_path, clock):
    """Something may still wait for one of them."""
    store = Store.open(path, keys(tmp_path))
    lost = store.put("b", b"lost")
    store.save()
    damage(path, "truncated")

    store = Store.open(path, keys(tmp_path), clock=clock)

    assert store.put("b", b"new") > lost


def test_where_nothing_can_be_set_aside_nothing_opens(path, tmp_path, monkeypatch):
    """Going on would overwrite the damaged file at the next save."""
    damage(path, "truncated")

    def read_only(*_arguments: object, **_named: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "link", read_only)

    assert "cannot be set aside (Read-only file system)" in refusal(path, keys(tmp_path))


def test_an_absent_store_is_absent(tmp_path):
    """None, without a trace."""
    assert load(tmp_path / "store.sealed", lambda _content: None, now=NOW) is None
    assert os.listdir(tmp_path) == []


def test_peek_proves_nothing_and_never_fails(path, tmp_path):
    """For diagnosis and for the terms of a passphrase."""
    found = peek(path)

    assert found is not None
    assert [wrap.source for wrap in found.wraps] == ["key_file"]
    assert peek(tmp_path / "none") is None
    damage(path, "truncated")
    assert peek(path) is None
    path.chmod(0o666)
    assert peek(path) is None


def test_the_sources_tell_where_to_look_for_the_key(path, tmp_path):
    """Before anything is opened: only where there never was a store may a new key be made."""
    assert sources_of(path) == ("key_file",)
    damage(path, "truncated")
    assert sources_of(path) == ("key_file",)
    path.unlink()
    assert sources_of(path) == ("key_file",)
    damage(last_of(path), "truncated")
    assert sources_of(path) == ()
    assert sources_of(tmp_path / "none") is None
