"""Changes are in force at once, durable after a save, and saved again by themselves."""

from __future__ import annotations

import asyncio
import threading

import pytest

from credward.errors import BrokerError, Kind
from credward.grants import records as grant_book
from credward.grants.grant_record import GrantRecord
from credward.grants.records import GrantBook
from credward.store.kek import KeyFileSource
from credward.store.store import Store
from fakes.clock import FakeClock

RECORD = GrantRecord(secret="refresh", provider="oauth", origin=1, given_at=0.0)


@pytest.fixture
def store(tmp_path):
    """Return an open store."""
    source = KeyFileSource(tmp_path / "key")
    return Store.open(tmp_path / "store.sealed", source, clock=FakeClock())


@pytest.fixture
async def book(store):
    """Return a book on it."""
    book = GrantBook(store)
    yield book
    book.close()


def full():
    """Fail as a full disk makes a store fail."""
    raise BrokerError(Kind.INTERNAL, "no room")


async def test_a_change_is_in_force_at_once_and_durable_after_a_save(book, tmp_path):
    """A second store on the same file sees it then."""
    book.put("gateway", RECORD)
    assert book.load("gateway") == RECORD
    assert (book.names(), book.unsaved) == (["gateway"], True)
    assert await book.save()
    assert not book.unsaved

    again = Store.open(
        tmp_path / "store.sealed", KeyFileSource(tmp_path / "key"), clock=FakeClock()
    )
    assert GrantBook(again).load("gateway") == RECORD
    assert GrantBook(again).load("other") is None


async def test_what_could_not_be_put_is_no_change(book, store, monkeypatch):
    """Else a store that nobody changed would pass for unsaved, and journals be kept for it."""

    def refuse(*_):
        raise BrokerError(Kind.STORE_LOCKED, "locked just now")

    monkeypatch.setattr(store, "put", refuse)
    monkeypatch.setattr(store, "delete", refuse)
    plain = bytearray(b"secret")
    with pytest.raises(BrokerError):
        book.put_raw("secret:a", plain)
    with pytest.raises(BrokerError):
        book.delete("gateway")

    assert plain == bytes(6)
    assert not book.unsaved


async def test_a_change_during_a_save_is_not_taken_for_saved(book, store, monkeypatch):
    """The disk has what was there when the save began; the next one has the rest."""
    reached, go_on = threading.Event(), threading.Event()
    save = store.save

    def slow():
        save()
        reached.set()
        assert go_on.wait(30)

    monkeypatch.setattr(store, "save", slow)
    book.put("gateway", RECORD)
    saving = asyncio.create_task(book.save())
    await asyncio.to_thread(reached.wait, 30)
    book.delete("gateway")
    go_on.set()

    assert await saving
    assert (book.saved, book.changes) == (1, 2)
    assert await book.save()
    assert not book.unsaved


async def test_a_save_that_failed_is_tried_again_by_itself(book, store, monkeypatch):
    """And tells whoever waits for it; the failure is there for status meanwhile."""
    monkeypatch.setattr(grant_book, "_SAVE_AGAIN_LAST", 0.02)
    book._wait = 0.02
    saved = asyncio.Event()
    book.on_saved = saved.set
    save = store.save
    monkeypatch.setattr(store, "save", full)
    book.put("gateway", RECORD)
    assert not await book.save()
    assert book.failure.message == "no room"
    monkeypatch.setattr(store, "save", save)
    await asyncio.wait_for(saved.wait(), 30)

    assert (book.failure, book.unsaved) == (None, False)


async def test_a_locked_store_gives_nothing_away(book, store, monkeypatch):
    """Neither grants nor the keys of mints."""
    monkeypatch.setattr(type(store), "locked", True)
    for ask in (
        lambda: book.load("gateway"),
        lambda: book.put("gateway", RECORD),
        lambda: book.delete("gateway"),
        lambda: book.mint_key("m1"),
    ):
        with pytest.raises(BrokerError) as caught:
            ask()
        assert caught.value.kind is Kind.STORE_LOCKED
