"""Changes are in force at once, durable after a save, and saved again by themselves."""

from __future__ import annotations

import asyncio
import threading

import pytest

from credward.errors import BrokerError, Kind
from credward.grants import records as grant_records
from credward.grants.grant_record import GrantRecord
from credward.grants.records import GrantRecords
from credward.store.kek import KeyFileSource
from credward.store.store import Store
from fakes.clock import FakeClock

RECORD = GrantRecord(secret="refresh", provider="oauth", family=1, given_at=0.0)


@pytest.fixture
def store(tmp_path):
    """Return an open store."""
    source = KeyFileSource(tmp_path / "key")
    return Store.open(tmp_path / "store.sealed", source, clock=FakeClock())


@pytest.fixture
async def records(store):
    """Return the records in it."""
    records = GrantRecords(store)
    yield records
    records.close()


def full():
    """Fail as a full disk makes a store fail."""
    raise BrokerError(Kind.INTERNAL, "no room")


async def test_a_change_is_in_force_at_once_and_durable_after_a_save(records, tmp_path):
    """A second store on the same file sees it then."""
    records.put("gateway", RECORD)
    assert records.load("gateway") == RECORD
    assert (records.names(), records.unsaved) == (["gateway"], True)
    assert await records.save()
    assert not records.unsaved

    again = Store.open(
        tmp_path / "store.sealed", KeyFileSource(tmp_path / "key"), clock=FakeClock()
    )
    assert GrantRecords(again).load("gateway") == RECORD
    assert GrantRecords(again).load("other") is None


async def test_what_could_not_be_put_is_no_change(records, store, monkeypatch):
    """Else a store that nobody changed would pass for unsaved, and journals be kept for it."""

    def refuse(*_):
        raise BrokerError(Kind.STORE_LOCKED, "locked just now")

    monkeypatch.setattr(store, "put", refuse)
    monkeypatch.setattr(store, "delete", refuse)
    plain = bytearray(b"secret")
    with pytest.raises(BrokerError):
        records.put_raw("secret:a", plain)
    with pytest.raises(BrokerError):
        records.delete("gateway")

    assert plain == bytes(6)
    assert not records.unsaved


async def test_a_change_during_a_save_is_not_taken_for_saved(records, store, monkeypatch):
    """The disk has what was there when the save began; the next one has the rest."""
    reached, go_on = threading.Event(), threading.Event()
    save = store.save

    def slow():
        save()
        reached.set()
        assert go_on.wait(30)

    monkeypatch.setattr(store, "save", slow)
    records.put("gateway", RECORD)
    saving = asyncio.create_task(records.save())
    await asyncio.to_thread(reached.wait, 30)
    records.delete("gateway")
    go_on.set()

    assert await saving
    assert (records.saved, records.changes) == (1, 2)
    assert await records.save()
    assert not records.unsaved


async def test_a_save_that_failed_is_tried_again_by_itself(records, store, monkeypatch):
    """And tells whoever waits for it; the failure is there for status meanwhile."""
    monkeypatch.setattr(grant_records, "_SAVE_AGAIN_LAST", 0.02)
    records._wait = 0.02
    saved = asyncio.Event()
    records.when_saved(saved.set)
    save = store.save
    monkeypatch.setattr(store, "save", full)
    records.put("gateway", RECORD)
    assert not await records.save()
    assert records.failure.message == "no room"
    monkeypatch.setattr(store, "save", save)
    await asyncio.wait_for(saved.wait(), 30)

    assert (records.failure, records.unsaved) == (None, False)


async def test_a_locked_store_gives_nothing_away(records, store, monkeypatch):
    """Neither grants nor the keys of mints."""
    monkeypatch.setattr(type(store), "locked", True)
    for ask in (
        lambda: records.load("gateway"),
        lambda: records.put("gateway", RECORD),
        lambda: records.delete("gateway"),
        lambda: records.mint_key("m1"),
    ):
        with pytest.raises(BrokerError) as caught:
            ask()
        assert caught.value.kind is Kind.STORE_LOCKED
