"""The store as its users see it: durable when it says so, locked when it says so."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from credward.errors import BrokerError, Kind
from credward.store.files import last_of
from credward.store.kek import (
    KeyFileSource,
    KeySource,
    MemorySource,
    PassphraseSource,
    SystemdSource,
)
from credward.store.recovery import peek
from credward.store.store import StaleVersionError, Store, WrongPassphraseError
from fakes.crashing import failing_at, killed_at


@pytest.fixture
def path(tmp_path):
    """Return where the store is to be."""
    return tmp_path / "state" / "store.sealed"


@pytest.fixture
def keys(tmp_path):
    """Return a key file."""
    return KeyFileSource(tmp_path / "store.key")


def plain(store, name="a"):
    """Return the plain text of an entry, None where there is none."""
    entry = store.get(name)
    return None if entry is None else bytes(entry.plain)


def sources(path):
    """Return under which sources the file at *path* opens."""
    found = peek(path)
    assert found is not None
    return [wrap.source for wrap in found.wraps]


# --- entries and disk ----------------------------------------------------------------------------


def test_is_made_where_there_is_none(path, keys):
    """With its key, at once on disk, readable for nobody else."""
    store = Store.open(path, keys)

    assert path.stat().st_mode & 0o777 == 0o600
    assert not store.locked
    assert not store.dirty
    assert store.names() == []
    assert store.warnings == []
    assert store.describe().startswith("key file ")


def test_keeps_what_was_saved(path, keys):
    """Content, version and meta, in the next process too; nothing of it lies open."""
    store = Store.open(path, keys)
    version = store.put("grant/a", b"refresh token", meta={"account": "me"})
    store.put("state/a", bytearray(b"parked"))
    assert store.dirty
    store.save()
    assert not store.dirty

    store = Store.open(path, keys)

    assert plain(store, "grant/a") == b"refresh token"
    assert store.version("grant/a") == version
    assert store.meta("grant/a") == {"account": "me"}
    assert store.names() == ["grant/a", "state/a"]
    assert store.names("grant/") == ["grant/a"]
    assert store.get("nothing") is store.meta("nothing") is store.version("nothing") is None
    assert b"refresh token" not in path.read_bytes()


def test_what_was_not_saved_is_not_there(path, keys):
    """Memory is one thing, the disk another; the versions in between are not used again."""
    store = Store.open(path, keys)
    store.put("a", b"saved")
    store.save()
    unsaved = store.put("a", b"unsaved")

    store = Store.open(path, keys)

    assert plain(store) == b"saved"
    assert store.put("a", b"next") > unsaved


def test_a_copy_is_kept_in_a_file_of_its_own(path, keys):
    """Of the last save: with an older one, a grant that was rotated since would be lost."""
    store = Store.open(path, keys)
    for content in (b"first", b"second"):
        store.put("a", content)
        store.save()

    assert path.read_bytes() == last_of(path).read_bytes()
    assert path.stat().st_ino != last_of(path).stat().st_ino
    path.write_bytes(b"damaged")
    assert plain(Store.open(path, keys)) == b"second"
    assert last_of(path).stat().st_mode & 0o777 == 0o600


def test_a_save_whose_copy_fails_is_a_save(path, keys):
    """The next one makes the copy again."""
    store = Store.open(path, keys)
    last_of(path).unlink()
    last_of(path).mkdir()
    store.put("a", b"x")
    store.save()

    assert not store.dirty
    last_of(path).rmdir()
    store.put("a", b"y")
    store.save()
    assert path.read_bytes() == last_of(path).read_bytes()


def test_a_deleted_entry_is_gone_from_both_files(path, keys):
    """And comes back by no recovery."""
    store = Store.open(path, keys)
    store.put("a", b"x")
    store.save()
    store.save()

    assert store.delete("a")
    assert not store.delete("a")
    store.save()

    for each in (path, last_of(path)):
        found = peek(each)
        assert found is not None
        assert found.entries == {}


def test_compare_and_set(path, keys):
    """Whoever read an older version loses, and nothing changes."""
    store = Store.open(path, keys)
    version = store.put("a", b"one", expect=None)
    store.put("a", b"two", expect=version)

    for attempt in (
        lambda: store.put("a", b"three", expect=version),
        lambda: store.delete("a", expect=version),
    ):
        with pytest.raises(StaleVersionError):
            attempt()
    assert plain(store) == b"two"


def test_s9_killed_at_any_step_of_a_save(path, keys):
    """The old content or the new one, whole, at every step; and never a warning."""
    store = Store.open(path, keys)
    store.put("a", b"old" * 1000)
    store.save()
    store.put("a", b"new" * 1000)
    step, seen = 0, []
    while killed_at(step, store.save):
        again = Store.open(path, keys)
        seen.append(plain(again)[:3])
        assert plain(again) in (b"old" * 1000, b"new" * 1000)
        assert again.warnings == []
        for each in (path, last_of(path)):
            assert not each.exists() or each.stat().st_mode & 0o777 == 0o600
        step += 1

    assert step > 8
    assert seen[0] == b"old"
    assert seen[-1] == b"new"
    assert seen == sorted(seen, reverse=True)
    assert plain(Store.open(path, keys)) == b"new" * 1000


def test_s9_killed_at_any_step_of_the_first_save(tmp_path):
    """No store or a whole one; no key or a whole one: the next start always works."""
    step = 0
    while True:
        folder = tmp_path / str(step)
        keys = KeyFileSource(folder / "store.key")
        if not killed_at(step, lambda: Store.open(folder / "store.sealed", keys)):  # noqa: B023
            break
        store = Store.open(folder / "store.sealed", keys)
        store.put("a", b"x")
        store.save()
        assert plain(Store.open(folder / "store.sealed", keys)) == b"x"
        step += 1

    assert step > 12


def test_a_full_disk_at_any_step_loses_nothing(path, keys):
    """The save says so, memory stays right, the file stays whole, the next save goes through."""
    step = 0
    while True:
        store = Store.open(path, keys)
        before = plain(store)
        content = b"content of step %d" % step
        store.put("a", content)
        try:
            reached = failing_at(step, store.save)
        except BrokerError as failure:
            reached = True
            assert failure.kind is Kind.INTERNAL
            assert f"store {path} cannot be written (No space left on device)" in failure.message
            assert store.dirty
        assert plain(store) == content
        assert plain(Store.open(path, keys)) in (before, content)
        store.save()
        assert not store.dirty
        assert plain(Store.open(path, keys)) == content
        if not reached:
            break
        step += 1

    assert step > 8


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_is_really_full(tmp_path, keys):
    """A file system of 64 KiB: a large entry does not fit, and after it is gone saving works."""
    mount = tmp_path / "disk"
    mount.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(mount)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        store = Store.open(mount / "store.sealed", keys)
        store.put("a", b"small")
        store.save()
        store.put("large", bytes(100_000))
        with pytest.raises(BrokerError, match="No space left on device"):
            store.save()
        assert plain(Store.open(mount / "store.sealed", keys)) == b"small"
        store.delete("large")
        store.put("a", b"again")
        store.save()
        assert plain(Store.open(mount / "store.sealed", keys)) == b"again"
        subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
        store.put("a", b"unsaved")
        with pytest.raises(BrokerError, match="Read-only file system"):
            store.save()
        assert plain(store) == b"unsaved"
        subprocess.run(["mount", "-o", "remount,rw", str(mount)], check=True)
        store.save()
        assert plain(Store.open(mount / "store.sealed", keys)) == b"unsaved"
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_saving_in_a_thread_while_others_write(path, keys):
    """Each file on disk is whole, and in the end all is there."""
    store = Store.open(path, keys)
    done = threading.Event()

    def save():
        while not done.is_set():
            store.save()

    thread = threading.Thread(target=save)
    thread.start()
    try:
        for number in range(200):
            store.put(f"entry/{number % 20}", b"%d" % number)
            if number % 20 == 0:
                Store.open(path, keys)
        store.delete("entry/0")
    finally:
        done.set()
        thread.join()
    store.save()

    again = Store.open(path, keys)
    assert again.names() == store.names()
    assert [plain(again, name) for name in again.names()] == [
        plain(store, name) for name in store.names()
    ]
    assert "entry/0" not in {*peek(path).entries, *peek(last_of(path)).entries}


def test_memory_never_touches_the_disk(path):
    """Saving succeeds and writes nothing; what lies there already is left alone."""
    store = Store.open(path, MemorySource())
    store.put("a", b"x")
    store.save()
    store.lock(b"words")
    store.unlock(b"words")

    assert plain(store) == b"x"
    assert not path.parent.exists()
    assert "memory" in store.describe()

    path.parent.mkdir()
    path.write_bytes(b"another's")
    assert "is not used" in Store.open(path, MemorySource()).warnings[0]
    assert path.read_bytes() == b"another's"


# --- keys ----------------------------------------------------------------------------------------


def test_derived_keys_are_stable_and_apart(path, keys, tmp_path):
    """The same in every process, of one purpose, of one store."""
    store = Store.open(path, keys)
    key = store.derive("journal")

    assert len(key) == 32
    assert Store.open(path, keys).derive("journal") == key
    assert store.derive("integrity") != key
    assert Store.open(tmp_path / "other", keys).derive("journal") != key


def moved(path: Path, keys: KeySource) -> Store:
    """Lock, take another source, unlock: the way to it."""
    store = Store.open(path, keys)
    store.unlock(b"words")
    return store


def test_an_unlock_with_another_source_changes_the_source_alone(
    path, keys, tmp_path, quick_passphrases
):
    """In both files: the old key opens neither; entries and derived keys are what they were."""
    store = Store.open(path, keys)
    store.put("a", b"x")
    store.save()
    sealed = peek(path).entries
    key = store.derive("journal")
    other = KeyFileSource(tmp_path / "other.key")
    store.lock(b"words")

    store = moved(path, other)
    assert store.describe() == other.describe()
    assert peek(path).entries == peek(last_of(path)).entries == sealed
    store.save()
    for each in (path, last_of(path)):
        with pytest.raises(BrokerError, match="does not open with its key"):
            Store.open(each, keys)
    again = Store.open(path, other)
    assert plain(again) == b"x"
    assert again.derive("journal") == key


def test_a_store_moves_to_a_passphrase_and_back(path, keys, quick_passphrases):
    """A store of a passphrase starts locked."""
    store = Store.open(path, keys)
    store.put("a", b"x")
    store.lock(b"words")

    again = moved(path, PassphraseSource())
    assert not again.locked
    again = Store.open(path, PassphraseSource())
    assert again.locked
    again.unlock(b"words")
    again.lock()
    moved(path, keys)

    assert plain(Store.open(path, keys)) == b"x"


def test_another_source_than_the_file_says_is_refused(path, keys, tmp_path):
    """By name: perhaps the configuration was changed before the store was."""
    Store.open(path, keys)

    with pytest.raises(BrokerError, match=r'sealed under "key_file", not "systemd"') as caught:
        Store.open(path, SystemdSource(tmp_path))
    assert caught.value.kind is Kind.FIX_CONFIGURATION


# --- lock ----------------------------------------------------------------------------------------


def test_h6_a_locked_store_gives_nothing(path, keys, quick_passphrases):
    """Names and meta lie open; all else waits, in this process and in the next."""
    store = Store.open(path, keys)
    version = store.put("a", b"x", meta={"at": 1})

    store.lock(b"words")

    for each in (store, Store.open(path, keys)):
        assert each.locked
        assert not each.fresh
        assert (each.names(), each.meta("a"), each.version("a")) == (["a"], {"at": 1}, version)
        for attempt in (
            lambda: each.get("a"),  # noqa: B023
            lambda: each.put("a", b"y"),  # noqa: B023
            lambda: each.delete("a"),  # noqa: B023
            lambda: each.derive("journal"),  # noqa: B023
            lambda: each.lock(b"words"),  # noqa: B023
        ):
            with pytest.raises(BrokerError, match="run credward unlock") as caught:
                attempt()
            assert caught.value.kind is Kind.STORE_LOCKED


def test_a_locked_store_keeps_the_passphrase_wrap_alone(path, keys, quick_passphrases):
    """In the file and in the copy before: no key of another source opens either."""
    store = Store.open(path, keys)
    store.put("a", b"x")
    store.save()
    store.save()

    store.lock(b"words")

    assert sources(path) == sources(last_of(path)) == ["passphrase"]
    assert sorted(os.listdir(path.parent)) == ["store.sealed", "store.sealed.last"]


def test_a_lock_names_the_files_that_it_cannot_lock(path, keys, quick_passphrases):
    """What was set aside is kept for its owner, who should know."""
    store = Store.open(path, keys)
    aside = path.with_name("store.sealed.corrupt-1800000000")
    aside.write_bytes(path.read_bytes())

    store.lock(b"words")

    assert store.warnings == [f"{aside} still opens without the passphrase: remove it"]


def test_h6_unlock_by_the_passphrase_only(path, keys, quick_passphrases):
    """After a restart as before it; then the configured source opens the store again."""
    store = Store.open(path, keys)
    store.put("a", b"x")
    store.lock(b"words")
    for each in (store, Store.open(path, keys)):
        with pytest.raises(WrongPassphraseError) as caught:
            each.unlock(b"word")
        assert caught.value.kind is Kind.DENIED
        assert each.locked

    for each in (Store.open(path, keys), store):
        each.unlock(b"words")
        assert plain(each) == b"x"
        each.unlock(b"whatever, it is open")

    assert sources(path) == ["key_file"]
    assert plain(Store.open(path, keys)) == b"x"


def test_changes_that_were_not_saved_survive_a_lock(path, keys, quick_passphrases):
    """Locking saves."""
    store = Store.open(path, keys)
    store.put("a", b"unsaved")
    store.lock(b"words")

    store = Store.open(path, keys)
    store.unlock(b"words")

    assert plain(store) == b"unsaved"


def test_a_slow_stretch_can_be_done_beforehand(path, keys, quick_passphrases):
    """In a thread, while the store answers others."""
    store = Store.open(path, keys)
    store.put("a", b"x")
    store.lock(store.stretch(b"words"))
    wrong, right = store.stretch(b"word"), store.stretch(b"words")

    with pytest.raises(WrongPassphraseError):
        store.unlock(wrong)
    store.unlock(right)

    assert plain(store) == b"x"


def test_a_store_of_a_passphrase_begins_with_the_first_unlock(path, quick_passphrases):
    """Nothing is on disk before; from then on only that passphrase opens it, also for idle locks."""
    store = Store.open(path, PassphraseSource())
    assert store.locked
    assert store.fresh
    assert not path.exists()

    store.unlock(b"words")
    store.put("a", b"x")
    assert not store.fresh
    store.lock()
    assert not store.fresh
    with pytest.raises(WrongPassphraseError):
        store.unlock(b"other words")
    store.unlock(b"words")

    assert plain(store) == b"x"
    again = Store.open(path, PassphraseSource())
    assert again.locked
    again.unlock(b"words")
    assert plain(again) == b"x"


def test_a_lock_without_a_passphrase_needs_one_that_is_there(path, keys):
    """Else nobody could open it again."""
    store = Store.open(path, keys)

    for attempt in (store.lock, lambda: store.lock(b"")):
        with pytest.raises(BrokerError) as caught:
            attempt()
        assert caught.value.kind is Kind.BAD_REQUEST
    assert not store.locked


def test_s9_killed_at_any_step_of_a_lock(tmp_path, quick_passphrases):
    """Before, it opens; after, it is locked; in between one of the two, and never half of it."""
    step, seen = 0, []
    while True:
        folder = tmp_path / str(step)
        path, keys = folder / "store.sealed", KeyFileSource(folder / "store.key")
        store = Store.open(path, keys)
        store.put("a", b"x")
        store.save()
        killed = killed_at(step, lambda: store.lock(b"words"))  # noqa: B023
        again = Store.open(path, keys)
        seen.append(again.locked)
        assert not again.warnings
        if again.locked:
            assert sources(last_of(path)) == ["passphrase"]
            again.unlock(b"words")
        assert plain(again) == b"x"
        step += 1
        if not killed:
            break

    assert step > 12
    assert not seen[0]
    assert seen[-1]
    assert seen == sorted(seen)


def test_s9_killed_at_any_step_of_an_unlock(tmp_path, quick_passphrases):
    """A store that is still locked never lies beside a copy that is open."""
    step = 0
    while True:
        folder = tmp_path / str(step)
        path, keys = folder / "store.sealed", KeyFileSource(folder / "store.key")
        Store.open(path, keys).lock(b"words")
        store = Store.open(path, keys)
        killed = killed_at(step, lambda: store.unlock(b"words"))  # noqa: B023
        if sources(path) == ["passphrase"]:
            assert sources(last_of(path)) == ["passphrase"]
        Store.open(path, keys)
        step += 1
        if not killed:
            break

    assert step > 8


def test_a_lock_that_the_disk_does_not_take_locks_all_the_same(
    path, keys, monkeypatch, quick_passphrases
):
    """Said loudly, and written as soon as it can be."""
    store = Store.open(path, keys)
    store.put("a", b"unsaved")

    def full(*_arguments: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(BrokerError, match="cannot be written"):
            store.lock(b"words")
        assert store.locked
        assert store.dirty
        with pytest.raises(BrokerError, match="cannot be written"):
            store.save()
    store.save()

    assert not store.dirty
    assert sources(path) == sources(last_of(path)) == ["passphrase"]
    again = Store.open(path, keys)
    again.unlock(b"words")
    assert plain(again) == b"unsaved"


def test_an_unlock_without_the_source_still_opens(path, keys, tmp_path, quick_passphrases):
    """The passphrase is enough for this run; that the next start is locked again is said."""
    Store.open(path, keys).lock(b"words")
    store = Store.open(path, SystemdSource(None))
    store.put if store.locked else pytest.fail("it was to be locked")

    store.unlock(b"words")

    assert not store.locked
    assert "CREDENTIALS_DIRECTORY" in store.warnings[0]
    assert sources(path) == ["passphrase"]


@pytest.mark.parametrize("part", ["salt", "sealed", "entries"])
def test_damage_of_a_locked_store_is_found_by_unlocking(path, keys, quick_passphrases, part):
    """The passphrase proves the copy before where it does not prove the file."""
    store = Store.open(path, keys)
    store.put("a", b"x")
    store.lock(b"words")
    raw = path.read_bytes()
    at = raw.index(b'"%s":' % part.encode()) + len(part) + 12
    path.write_bytes(raw[:at] + (b"A" if raw[at : at + 1] != b"A" else b"B") + raw[at + 1 :])
    store = Store.open(path, keys)

    with pytest.raises(WrongPassphraseError):
        store.unlock(b"word")
    store.unlock(b"words")

    assert store.recovered
    assert plain(store) == b"x"
    assert "corrupt-" in store.warnings[0]


def test_a_locked_store_that_vanished_is_said_to_be_gone(path, keys, quick_passphrases):
    """Nothing is made in its place."""
    Store.open(path, keys).lock(b"words")
    store = Store.open(path, keys)
    path.unlink()
    last_of(path).unlink()

    with pytest.raises(BrokerError, match="is gone"):
        store.unlock(b"words")
    assert not path.exists()
