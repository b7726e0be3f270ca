"""The grants in the store: read, changed, and made durable, with retries.

`keeper` knows what a change means; `store` knows the format at rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

import msgspec

from credward.errors import BrokerError, Failure
from credward.grants.grant_record import GrantRecord
from credward.grants.opened_store import LOCKED

__all__ = ["LONGEST_SECRET", "SECRET_PREFIX", "GrantRecords", "SecretStore", "StoreEntry"]

_log = logging.getLogger(__name__)

# The maximum length of a secret that people store (characters).
LONGEST_SECRET = 32 * 1024
# In the store, names of the secrets that people keep there begin so.
SECRET_PREFIX = "secret:"  # noqa: S105 - not a secret
_PREFIX = "grant:"
# A failed write of the store is retried this soon, then after twice as long each time (seconds).
_SAVE_AGAIN, _SAVE_AGAIN_LAST = 1.0, 60.0


class StoreEntry(Protocol):
    """One entry in the clear; the caller wipes it."""

    plain: bytearray


class SecretStore(Protocol):
    """The part of the sealed store that is used here."""

    @property
    def locked(self) -> bool:
        """Whether nothing can be read."""
        ...

    def get(self, name: str) -> StoreEntry | None:
        """Return an entry, or None."""
        ...

    def put(self, name: str, plain: bytes | bytearray) -> int:
        """Replace an entry in memory."""
        ...

    def delete(self, name: str) -> bool:
        """Forget an entry in memory."""
        ...

    def names(self, prefix: str) -> list[str]:
        """Return the names that begin with *prefix*."""
        ...

    def save(self) -> None:
        """Make memory durable, blocking; raise `BrokerError`."""
        ...

    def derive(self, purpose: str) -> bytes:
        """Return a key for one purpose."""
        ...


class GrantRecords:
    """Grants by name. Changes count at once and are durable after `save`."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store
        self._saving = asyncio.Lock()
        # How many changes were made, and how many are on disk: counted, because another thread may
        # be saving.
        self.changes = 0
        self.saved = 0
        self._again: asyncio.TimerHandle | None = None
        self._wait = _SAVE_AGAIN
        self._tasks: set[asyncio.Task[bool]] = set()
        self.failure: Failure | None = None
        self._when_saved: list[Callable[[], None]] = []

    @property
    def locked(self) -> bool:
        """Whether the store is locked."""
        return self._store.locked

    @property
    def unsaved(self) -> bool:
        """Whether memory holds changes that are not on disk."""
        return self.saved < self.changes

    def when_saved(self, tell: Callable[[], None]) -> None:
        """Call *tell* after each successful save."""
        self._when_saved.append(tell)

    def load(self, name: str) -> GrantRecord | None:
        """Return the record of a grant, or None; raise `store-locked`."""
        self.check_open()
        entry = self._store.get(_PREFIX + name)
        if entry is None:
            return None
        try:
            return msgspec.json.decode(entry.plain, type=GrantRecord)
        finally:
            entry.plain[:] = bytes(len(entry.plain))

    def names(self) -> list[str]:
        """Return the names of all grants that are kept."""
        return [name.removeprefix(_PREFIX) for name in self._store.names(_PREFIX)]

    def secret_names(self) -> list[str]:
        """Return the names of the secrets that people keep."""
        names = self._store.names(SECRET_PREFIX)
        return [name.removeprefix(SECRET_PREFIX) for name in names]

    def put(self, name: str, record: GrantRecord) -> None:
        """Replace the record of a grant."""
        self.check_open()
        self.put_raw(_PREFIX + name, bytearray(msgspec.json.encode(record)))

    def delete(self, name: str) -> None:
        """Forget a grant."""
        self.check_open()
        self.delete_raw(_PREFIX + name)

    def raw_names(self, prefix: str) -> list[str]:
        """Return the full names of other entries that begin with *prefix*."""
        return self._store.names(prefix)

    def load_raw(self, name: str) -> bytearray | None:
        """Return another entry by its full name; the caller wipes it."""
        self.check_open()
        entry = self._store.get(name)
        return None if entry is None else entry.plain

    def put_raw(self, name: str, plain: bytearray) -> None:
        """Keep another entry under its full name; *plain* is wiped."""
        try:
            self._store.put(name, plain)
        finally:
            plain[:] = bytes(len(plain))
        self.changes += 1

    def delete_raw(self, name: str) -> bool:
        """Forget another entry; return whether it was there."""
        found = self._store.delete(name)
        self.changes += 1
        return found

    def derive(self, purpose: str) -> bytes:
        """Return the store's key for one purpose; raise `store-locked`."""
        self.check_open()
        return self._store.derive(purpose)

    def mint_key(self, mint: str) -> bytes:
        """Return the key that seals the new grant of one mint; raise `store-locked`."""
        return self.derive(f"mint:{mint}")

    def note_change(self) -> None:
        """Note a change that the store made itself, to save it with the others."""
        self.changes += 1

    async def save(self) -> bool:
        """Make all changes so far durable; return False if that failed.

        It is then retried. The failure is logged and kept in *failure*, for status.
        """
        async with self._saving:
            wanted = self.changes
            if self.saved >= wanted:
                return True
            try:
                # In a thread: it waits for the disk.
                await asyncio.to_thread(self._store.save)
            except BrokerError as error:
                if self.failure is None:
                    _log.error("the store cannot be written: %s", error.message)
                self.failure = error.failure
                self._save_again()
                return False
            self.saved = max(self.saved, wanted)
            self.failure = None
            self._wait = _SAVE_AGAIN
        for tell in self._when_saved:
            tell()
        return True

    def close(self) -> None:
        """Stop trying."""
        if self._again is not None:
            self._again.cancel()

    def _save_again(self) -> None:
        loop = asyncio.get_running_loop()
        if self._again is not None:
            self._again.cancel()
        self._again = loop.call_later(self._wait, self._try)
        self._wait = min(self._wait * 2, _SAVE_AGAIN_LAST)

    def _try(self) -> None:
        task = asyncio.get_running_loop().create_task(self.save())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def check_open(self) -> None:
        """Raise `store-locked` if nothing can be read."""
        if self._store.locked:
            raise LOCKED.error()
