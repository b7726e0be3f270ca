"""Lock the store, whoever wants it: its owner, or nobody for too long.

Who may is decided before; how a locked file looks is `store`.
"""

from __future__ import annotations

from credward.grants.kept import Kept
from credward.grants.opened_store import LOCKED
from credward.minting.minted import Minted
from credward.tokens import Secret

__all__ = ["Locking"]


class Locking:
    """Everything that a lock takes out of memory."""

    def __init__(self, *, kept: Kept, minted: Minted) -> None:
        self._tokens = minted.tokens
        self._driver = minted.driver
        self._opened_store = kept.opened_store
        self._records = kept.records
        self._pool = kept.pool
        self._scrub = kept.scrub

    async def lock_up(self, passphrase: Secret | None = None) -> None:
        """Lock the store; what is kept of tokens goes first."""
        self._tokens.clear()
        try:
            await self._opened_store.lock(passphrase)
        finally:
            if self._opened_store.locked:
                self._driver.drop_all(LOCKED)
                self._pool.send_home()
                # Where the disk did not take the locked store, it is tried again.
                self._records.note_change()
                await self._records.save()
            self._scrub()
