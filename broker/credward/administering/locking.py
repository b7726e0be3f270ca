"""Lock the store: because its owner wants it, or because nobody asked for too long.

Who may do it is decided before; `store` writes the locked file.
"""

from __future__ import annotations

from credward.grants.kept import Kept
from credward.grants.opened_store import LOCKED
from credward.minting.minted import Minted
from credward.tokens import Secret

__all__ = ["Locking"]


class Locking:
    """Everything that a lock removes from memory."""

    def __init__(self, *, kept: Kept, minted: Minted) -> None:
        self._tokens = minted.tokens
        self._driver = minted.driver
        self._opened_store = kept.opened_store
        self._records = kept.records
        self._pool = kept.pool
        self._scrub = kept.scrub

    async def lock_up(self, passphrase: Secret | None = None) -> None:
        """Lock the store; kept tokens go first."""
        self._tokens.clear()
        try:
            await self._opened_store.lock(passphrase)
        finally:
            if self._opened_store.locked:
                self._driver.drop_all(LOCKED)
                self._pool.send_home()
                # If the locked store could not be written to disk, it is tried again.
                self._records.note_change()
                await self._records.save()
            self._scrub()
