"""The open window of an exchange, on journals that work and on those that do not."""

from __future__ import annotations

import base64
import errno
import os
import signal

import pytest

from credward.errors import BrokerError, Kind
from credward.providers.provider import Grant, HttpRequest
from credward.store.journal import JournalDirectory, Lease, SealedGrant, open_grant
from credward.tokens import Secret
from credward.workers.exchange import Exchange
from credward.workers.link import Rotation
from fakes.clock import FakeClock

KEY = bytes(range(32))
POST = HttpRequest(method="POST", url="https://idp.example/token", body=b"x", timeout=10)
GET = HttpRequest(method="GET", url="https://idp.example/.well-known", timeout=10)
LEASE = Lease(mint="m", grant="team", family=7, generation=3, rotation_retry=False)


@pytest.fixture(autouse=True)
def alarms(monkeypatch):
    """Note the deadlines that are set, which would end these tests otherwise."""
    found = []
    monkeypatch.setattr(signal, "alarm", found.append)
    return found


@pytest.fixture
def journal(tmp_path):
    """Return a journal on a disk that works."""
    directory = JournalDirectory(tmp_path)
    directory.spares = 0
    journal = directory.create()
    yield journal
    journal.close()


class Full:
    """A journal that takes nothing from call number *after* on."""

    def __init__(self, after=0):
        self.after, self.calls = after, []

    def _write(self, what):
        self.calls.append(what)
        if len(self.calls) > self.after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def open_window(self, lease):
        self._write("open")

    def keep(self, sealed):
        self._write("keep")


def exchange(journal, clock=None):
    rotation = Rotation(
        mint=LEASE.mint,
        grant=LEASE.grant,
        family=LEASE.family,
        generation=LEASE.generation,
        rotation_retry=LEASE.rotation_retry,
        key=Secret(base64.b64encode(KEY).decode()),
    )
    return Exchange(rotation, journal, (clock or FakeClock()).elapsed)


def test_the_window_is_open_before_anything_that_may_use_the_grant_up(journal):
    """Not by what only looks, and once: what follows is the same exchange."""
    clock = FakeClock()
    found = exchange(journal, clock)
    found.before(GET)
    assert (found.opened, journal.read().lease) == (False, None)
    found.before(POST)
    lease = journal.read().lease
    assert found.opened
    assert (lease.phase, lease.mint, lease.grant) == ("open", "m", "team")
    assert (lease.family, lease.generation, lease.rotation_retry) == (7, 3, False)
    clock.advance(2)
    journal.clear()
    found.before(POST)
    found.keep(Grant(secret=Secret("next")))

    assert journal.read().lease is None, "it was opened again"
    assert found.rotated.window == 2


def test_t10_without_a_journal_nothing_is_sent():
    """What it brought could be kept nowhere."""
    found = exchange(None)
    found.before(GET)
    with pytest.raises(BrokerError) as caught:
        found.before(POST)

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.INTERNAL, "no")
    assert "its rotation journal is missing" in caught.value.message
    assert not found.opened


def test_t10_a_window_that_cannot_be_written_is_not_open():
    """Nothing is sent, so that the grant is as good as before; the next try may work."""
    journal = Full()
    found = exchange(journal)
    with pytest.raises(BrokerError) as caught:
        found.before(POST)
    assert (caught.value.failure.sent, found.opened) == ("no", False)
    assert "cannot be written (No space left on device)" in caught.value.message
    journal.after = 9
    found.before(POST)

    assert found.opened
    assert journal.calls == ["open", "open"]


def test_t10_what_a_rotation_brings_is_on_disk_and_in_the_answer(journal):
    """Under the key of this mint, as the next generation."""
    found = exchange(journal)
    assert found.rotated is None
    found.before(POST)
    found.keep(Grant(secret=Secret("next"), account="alice", ends_at=99.0))
    sealed = journal.read().sealed

    assert found.rotated.durable
    assert found.rotated.sealed == sealed.sealed
    assert (sealed.mint, sealed.family, sealed.generation) == ("m", 7, 4)
    fields = open_grant(sealed, KEY)
    assert (fields.secret, fields.account, fields.ends_at) == ("next", "alice", 99.0)
    with pytest.raises(ValueError, match="not intact"):
        open_grant(sealed, bytes(32))


@pytest.mark.parametrize("journal", [None, Full(after=1)], ids=["none", "full"])
def test_t10_a_grant_that_the_disk_does_not_take_is_in_the_answer_all_the_same(journal):
    """And says so: the daemon tries to keep it in the store."""
    found = exchange(journal)
    if journal is not None:
        found.before(POST)
    found.keep(Grant(secret=Secret("next")))

    told = found.rotated
    assert not told.durable
    sealed = SealedGrant(mint="m", grant="team", family=7, generation=4, sealed=told.sealed)
    assert open_grant(sealed, KEY).secret == "next"


def test_t10_of_two_grants_the_last_one_counts(journal):
    """A failure to keep it is not hidden by the one before, which did get to the disk."""
    found = exchange(journal)
    found.before(POST)
    found.keep(Grant(secret=Secret("one")))
    assert found.rotated.durable
    found.keep(Grant(secret=Secret("x" * 100_000)))

    assert not found.rotated.durable


def test_t10_a_hung_exchange_ends_itself(journal, alarms):
    """Counted anew when it begins, and no more once it is over."""
    found = exchange(journal)
    assert alarms == [90]
    found.before(GET)
    assert alarms == [90]
    found.before(POST)
    found.before(POST)
    assert alarms == [90, 90]
    found.close()
    assert alarms == [90, 90, 0]
