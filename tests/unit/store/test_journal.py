"""What a rotation journal keeps, and what it makes of damage, full disks and other holders."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from credward.store import journal as journal_module
from credward.store.journal import (
    GrantFields,
    JournalDirectory,
    JournalState,
    Lease,
    SealedGrant,
    open_grant,
    seal_grant,
)

LEASE = Lease(mint="m1", grant="gateway", family=7, generation=3)
KEY = bytes(range(32))
FIELDS = GrantFields(secret="refresh-4", account="ada", ends_at=1_900_000_000.0)
EMPTY = JournalState(lease=None, sealed=None)


@pytest.fixture
def directory(tmp_path):
    """Return a place for journals, as at the start of a daemon."""
    return JournalDirectory(tmp_path / "journals")


@pytest.fixture
def journal(directory):
    """Return a journal that its daemon has just made."""
    journal = directory.create()
    yield journal
    journal.close()


def test_a_sealed_grant_opens_for_its_own_mint_alone():
    """It carries the next generation, and is bound to grant, login and mint."""
    sealed = seal_grant(LEASE, KEY, FIELDS)
    assert (sealed.generation, open_grant(sealed, KEY)) == (4, FIELDS)
    assert b"refresh-4" not in sealed.sealed


@pytest.mark.parametrize(
    "change",
    [{"mint": "m2"}, {"grant": "other"}, {"family": 8}, {"generation": 5}, {"sealed": b"short"}],
)
def test_a_sealed_grant_that_was_moved_or_cut_does_not_open(change):
    """Whoever can write files cannot make one grant pass for another."""
    sealed = seal_grant(LEASE, KEY, FIELDS)
    words = {name: getattr(sealed, name) for name in SealedGrant.__struct_fields__}
    with pytest.raises(ValueError, match="sealed grant"):
        open_grant(SealedGrant(**{**words, **change}), KEY)
    with pytest.raises(ValueError, match="not intact"):
        open_grant(sealed, bytes(32))


def test_a_journal_is_written_in_three_steps(journal):
    """Lent, open, kept; and then cleared for the next one."""
    assert journal.read() == EMPTY
    journal.lend(LEASE)
    assert journal.read().lease == LEASE
    journal.open_window(LEASE)
    assert journal.read().lease.phase == "open"
    sealed = seal_grant(LEASE, KEY, FIELDS)
    journal.keep(sealed)
    assert journal.read().sealed == sealed

    journal.clear()
    assert journal.read() == EMPTY


def test_t10_what_is_kept_is_on_disk_when_keep_returns(journal, monkeypatch):
    """T10: the last thing that it does is a sync, after the write; so does the open window."""
    steps = []
    write, sync = os.pwrite, os.fsync
    monkeypatch.setattr(os, "pwrite", lambda *args: (steps.append("write"), write(*args))[1])
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append("sync"), sync(fd))[1])
    journal.open_window(LEASE)
    journal.keep(seal_grant(LEASE, KEY, FIELDS))

    assert steps == ["write", "sync", "write", "sync"]


@pytest.mark.parametrize("place", [0, 5, 20, 60])
def test_t10_a_torn_record_counts_as_not_written(journal, place):
    """T10: a flipped byte in either block leaves the other one as it was."""
    journal.lend(LEASE)
    journal.keep(seal_grant(LEASE, KEY, FIELDS))
    for block, rest in ((0, "sealed"), (4096, "lease")):
        before = os.pread(journal.fileno(), 1, block + place)
        os.pwrite(journal.fileno(), bytes([before[0] ^ 1]), block + place)
        state = journal.read()
        os.pwrite(journal.fileno(), before, block + place)

        assert getattr(state, "lease" if rest == "sealed" else "sealed") is None
        assert getattr(state, rest) is not None


def test_a_grant_too_long_for_its_block_is_refused(journal):
    """What is there stays whole."""
    journal.lend(LEASE)
    with pytest.raises(OSError, match="too long") as caught:
        journal.keep(seal_grant(LEASE, KEY, GrantFields(secret="x" * 70_000)))

    assert caught.value.errno == errno.EFBIG
    assert journal.read() == JournalState(lease=LEASE, sealed=None)


def test_a_file_system_that_syncs_no_directories_has_journals(directory, monkeypatch):
    """It says EINVAL to the directory, not to the file: else no grant there could ever rotate."""
    fsync = os.fsync

    def refusing(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refusing)

    directory.create().close()


def test_a_journal_has_its_room_from_the_beginning(directory, journal):
    """A disk that fills later stops no rotation half-way."""
    found = journal.path.stat()
    assert found.st_size == 64 * 1024
    assert found.st_blocks * 512 >= 64 * 1024
    assert found.st_mode & 0o777 == 0o600
    assert journal.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_journal_is_locked_as_long_as_anybody_holds_it(tmp_path, directory, journal):
    """The worker's copy of the descriptor keeps the lock that the daemon took."""
    journal.lend(LEASE)
    worker = os.dup(journal.fileno())
    path = journal.path
    journal.close()
    later = JournalDirectory(tmp_path / "journals")
    other = later.open(path)
    assert other.read().lease == LEASE
    assert not other.lock()
    os.close(worker)

    assert other.lock()
    other.close()


def test_a_full_disk_uses_the_spares(directory, monkeypatch):
    """One is kept ready by default; when it is gone nothing can be lent."""
    first = directory.create()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(journal_module.os, "posix_fallocate", full, raising=False)
    spare = directory.create()
    with pytest.raises(OSError, match="No space left"):
        directory.create()
    first.lend(LEASE)
    directory.release(first)

    again = directory.create()
    assert again is first
    assert again.read() == EMPTY
    # What could not be made whole is not left behind for the next daemon.
    assert len(list(first.path.parent.glob("*.journal"))) == 2
    spare.close()
    again.close()


def test_a_file_system_that_cannot_reserve_is_written_full(directory, monkeypatch):
    """Zeros are as good."""

    def unknown(*_):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(journal_module.os, "posix_fallocate", unknown, raising=False)
    journal = directory.create()

    assert journal.path.stat().st_size == 64 * 1024
    journal.close()


def test_only_journals_of_earlier_daemons_are_left_over(tmp_path, directory, journal):
    """Its own are not, and neither are directories and links of that name."""
    assert directory.leftovers() == []
    (tmp_path / "journals" / "a.journal").mkdir()
    (tmp_path / "journals" / "b.journal").symlink_to("/etc/hostname")
    later = JournalDirectory(tmp_path / "journals")

    assert journal.path in later.leftovers()
    assert {each.name for each in later.leftovers()}.isdisjoint({"a.journal", "b.journal"})
    assert later.open(tmp_path / "journals" / "gone.journal") is None
