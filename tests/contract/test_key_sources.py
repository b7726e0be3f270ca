"""What every source of the store's key keeps to; a new one gets these tests by its name here.

A source adds how it is made in a fresh folder: once for a new store, and again as the next start
of the daemon would make it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.store import store as store_module
from credward.store.files import last_of
from credward.store.kek import (
    CREDENTIAL,
    KeychainSource,
    KeyFileSource,
    KeySource,
    MemorySource,
    PassphraseSource,
    SystemdSource,
    new_key,
)
from credward.store.passphrases import Argon2idTerms
from credward.store.sealed import SourceKind
from credward.store.store import Store

WORDS = b"correct horse battery staple"
KINDS = get_args(SourceKind)
# Sources that another start finds again.
LASTING = [kind for kind in KINDS if kind != "memory"]
# Those that open the store with nobody at the keyboard.
UNATTENDED = [kind for kind in LASTING if kind != "passphrase"]


@pytest.fixture(autouse=True)
def _quick_passphrases(monkeypatch):
    monkeypatch.setattr(
        store_module,
        "new_terms",
        lambda: Argon2idTerms(salt=os.urandom(16), memory=64, passes=1, lanes=1),
    )


def make_source(kind: SourceKind, folder: Path) -> KeySource:
    """Return the source as a start of the daemon makes it."""
    folder.mkdir(exist_ok=True)
    match kind:
        case "key_file":
            return KeyFileSource(folder / "store.key")
        case "keychain":
            return KeychainSource(_kept(folder / "item"), service="credward", account="store-key")
        case "systemd":
            _kept(folder / CREDENTIAL)
            return SystemdSource(folder)
        case "passphrase":
            return PassphraseSource()
        case "memory":
            return MemorySource()


def broken_source(kind: SourceKind, folder: Path) -> KeySource | None:
    """Return the source with a canary where its key should be, None where nothing can be wrong."""
    folder.mkdir(exist_ok=True)
    secret = canary(kind).encode()
    for name in ("store.key", CREDENTIAL):
        (folder / name).write_bytes(secret)
        (folder / name).chmod(0o600)
    match kind:
        case "keychain":
            return KeychainSource(secret, service="credward", account="store-key")
        case "passphrase" | "memory":
            return None
        case _:
            return make_source(kind, folder)


def _kept(path: Path) -> bytes:
    if not path.exists():
        path.write_bytes(new_key())
        path.chmod(0o400)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the store lies."""
    return tmp_path / "state" / "store.sealed"


@pytest.fixture
def start(tmp_path: Path, path: Path) -> Callable[[SourceKind], Store]:
    """Return what opens the store as a start of the daemon does, with a human at hand."""

    def start(kind: SourceKind) -> Store:
        store = Store.open(path, make_source(kind, tmp_path / kind))
        if store.locked:
            store.unlock(WORDS)
        return store

    return start


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_store_opens(start, kind):
    """And works at once."""
    store = start(kind)

    store.put("a", b"x")
    store.save()
    assert bytes(store.get("a").plain) == b"x"
    assert not store.dirty


@pytest.mark.parametrize("kind", LASTING)
def test_the_next_start_finds_everything(start, kind):
    """Entries, versions and derived keys."""
    store = start(kind)
    version = store.put("a", b"x")
    store.save()
    key = store.derive("journal")

    store = start(kind)

    assert (bytes(store.get("a").plain), store.version("a")) == (b"x", version)
    assert store.derive("journal") == key
    assert store.warnings == []


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_it_is_and_nothing_secret(tmp_path, kind):
    """In one line for status, under the name that configuration and file use."""
    source = make_source(kind, tmp_path / kind)
    key = source.key(create=True)

    assert source.kind == kind
    assert source.describe()
    assert "\n" not in source.describe()
    assert key is None or bytes(key) not in repr(source).encode() + source.describe().encode()


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_was_wiped_is_given_again(tmp_path, kind):
    """Whoever asks gets a copy of its own, 32 bytes long."""
    source = make_source(kind, tmp_path / kind)
    key = source.key(create=True)
    if key is None:
        assert kind == "passphrase"
        return
    before = bytes(key)
    key[:] = bytes(len(key))

    assert source.key(create=False) == before
    assert len(before) == 32


@pytest.mark.parametrize("kind", UNATTENDED)
def test_without_the_key_nothing_opens(start, tmp_path, path, kind):
    """The file alone is worth nothing; and a foreign key sets nothing aside."""
    start(kind).save()

    with pytest.raises(BrokerError, match="does not open") as caught:
        other = make_source(kind, tmp_path / "another")
        other.key(create=True)
        Store.open(path, other)
    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert sorted(os.listdir(path.parent)) == ["store.sealed", "store.sealed.last"]


@pytest.mark.parametrize("kind", KINDS)
def test_h3_fails_by_broker_error_without_a_secret(tmp_path, path, kind):
    """One line, a cause and a command; no store is made."""
    source = broken_source(kind, tmp_path / kind)
    if source is None:
        return

    with pytest.raises(BrokerError) as caught:
        Store.open(path, source)

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert MARK not in caught.value.message + repr(caught.value.__cause__)
    assert "\n" not in caught.value.message
    assert ": " in caught.value.message
    assert not path.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_shuts_it_out(start, tmp_path, path, kind):
    """Until the passphrase is given, also after a restart and in the copy before."""
    store = start(kind)
    store.put("a", b"x")
    store.save()

    store.lock(WORDS)
    with pytest.raises(BrokerError) as caught:
        store.get("a")
    assert caught.value.kind is Kind.STORE_LOCKED
    if kind in LASTING:
        last_of(path).replace(path)
        store = Store.open(path, make_source(kind, tmp_path / kind))
        assert store.locked
    store.unlock(WORDS)

    assert bytes(store.get("a").plain) == b"x"


@pytest.mark.parametrize("kind", UNATTENDED)
def test_after_an_unlock_it_opens_the_next_start(start, tmp_path, path, kind):
    """As it did before."""
    store = start(kind)
    store.lock(WORDS)
    store.unlock(WORDS)

    assert not Store.open(path, make_source(kind, tmp_path / kind)).locked


@pytest.mark.parametrize("old", LASTING)
@pytest.mark.parametrize("new", LASTING)
def test_the_source_can_be_changed(start, tmp_path, old, new):
    """From each to each, by a lock and an unlock: only the one key is wrapped anew."""
    store = start(old)
    store.put("a", b"x")
    key = store.derive("journal")
    store.lock(WORDS)

    assert not start(new).locked

    store = start(new)
    assert bytes(store.get("a").plain) == b"x"
    assert store.derive("journal") == key
