"""What people do with the store: lock and unlock it, keep secrets in it.

Asks `gate` like everything else, and records each step; `opened_store` is the store itself,
`grants.records` the grants in it.
"""

from __future__ import annotations

from credward.administering.locking import Locking
from credward.callers.peer import Peer
from credward.config import Config
from credward.config.sources import users
from credward.errors import BrokerError, Kind
from credward.grants.kept import Kept
from credward.grants.opened_store import LOCKED
from credward.grants.records import LONGEST_SECRET, SECRET_PREFIX
from credward.grants.secret_binding import Binding
from credward.issuing.gate import Gate
from credward.issuing.recording import Recorder
from credward.minting.minted import Minted
from credward.minting.waking import secret_allowed, secret_changed
from credward.tokens import Secret

__all__ = ["StoreService"]

# A note about the line that a secret was taken out of, which makes it one that can be given back.
_ORIGIN = "origin:"
# The line without the secret, and the path of its file; both fit into one request.
_LONGEST_ORIGIN = 16 * 1024


class StoreService:
    """What an owner can do with the store."""

    def __init__(
        self, *, gate: Gate, recorder: Recorder, kept: Kept, minted: Minted, locking: Locking
    ) -> None:
        self._gate = gate
        self._recorder = recorder
        self._driver = minted.driver
        self._opened_store = kept.opened_store
        self._records = kept.records
        self._guard = kept.guard
        self._scrub = kept.scrub
        self._locking = locking

    async def lock(self, peer: Peer, passphrase: Secret | None) -> None:
        """Lock the store and drop every token from memory; durable.

        A store that cannot be opened cannot be locked: then this raises why, and changes nothing.
        """
        caller = await self._gate.require_owner("Manage", peer, although_locked=True)
        # First: even if something fails after this, no token is handed out any more.
        await self._opened_store.shut_if_it_opens(self._config)
        self._driver.drop_all(LOCKED)
        try:
            await self._locking.lock_up(passphrase)
        finally:
            # Recorded afterwards: a full disk is no reason to stay open.
            if self._opened_store.locked:
                self._recorder.acted(caller, "Manage", "locked")

    async def unlock(self, peer: Peer, passphrase: Secret | None) -> None:
        """Open the store, and take over the results of workers that finished meanwhile."""
        caller = await self._gate.require_owner("Manage", peer, although_locked=True)
        if self._gate.locked and not self._opened_store.locked:
            # Idle for too long; the timer will notice in a moment.
            await self._locking.lock_up()
        try:
            await self._opened_store.unlock(self._config, passphrase)
        except BrokerError as failure:
            if failure.kind is Kind.DENIED:
                self._recorder.acted(caller, "Manage", "unlock-refused")
            raise
        finally:
            self._scrub()
        self._recorder.acted(caller, "Manage", "unlocked")

    async def set_secret(self, peer: Peer, name: str, value: Secret, *, origin: str = "") -> bool:
        """Keep a secret for `{ store = … }`; return whether it is durable.

        *origin*: a note about the line that it is taken out of, so that it can be given back.
        """
        caller = await self._gate.require_owner("Manage", peer)
        if len(origin) > _LONGEST_ORIGIN:
            raise BrokerError(Kind.BAD_REQUEST, "the origin of the secret is too long: shorten it")
        text = value.reveal()
        if not text or len(text) > LONGEST_SECRET:
            raise BrokerError(
                Kind.BAD_REQUEST, "a secret must have 1 to 32768 characters: pipe it in"
            )
        await self._opened_store.open(self._config, again=True)
        self._recorder.acted(caller, "Manage", "secret-set", about=SECRET_PREFIX + name)
        self._records.put_raw(SECRET_PREFIX + name, bytearray(text.encode()))
        # The origin is that of this value, not of an earlier one of the same name.
        self._records.delete_raw(_ORIGIN + name)
        if origin:
            self._records.put_raw(_ORIGIN + name, bytearray(origin.encode()))
        self._guard.forget(name)
        secret_changed(self._config, self._driver, name)
        durable = await self._records.save()
        self._scrub()
        return durable

    def users_of(self, name: str) -> list[str]:
        """Return the names of the credentials whose settings refer to a secret."""
        return [each.name for each in users(self._config, secret=name)]

    async def give_back(self, peer: Peer, name: str) -> tuple[Secret, str]:
        """Return a secret and the note about where it stood; the store keeps it.

        Whoever wrote it there says so by `remove_origin`, so that it is not given back again.
        Only what stood in a file of the owner's before: what was typed or piped in, or came with a
        login, never leaves. Raise `unknown-credential` if there is none, else `bad-request`.
        """
        caller = await self._gate.require_owner("Manage", peer)
        await self._opened_store.open(self._config, again=True)
        plain = self._records.load_raw(SECRET_PREFIX + name)
        origin = self._records.load_raw(_ORIGIN + name)
        try:
            if plain is None:
                raise _no_secret(name)
            if origin is None:
                raise BrokerError(
                    Kind.BAD_REQUEST,
                    f'secret "{name}" was not taken out of a file, so it stays in the store: '
                    "run credward secret list",
                )
            self._recorder.acted(caller, "Manage", "secret-given-back", about=SECRET_PREFIX + name)
            return Secret(plain.decode()), origin.decode()
        finally:
            if plain is not None:
                plain[:] = bytes(len(plain))

    async def remove_origin(self, peer: Peer, name: str) -> bool:
        """Have a secret given back no more, as it is in its file again; return if that is durable.

        Raise `unknown-credential` if there is no secret of that name.
        """
        caller = await self._gate.require_owner("Manage", peer)
        await self._opened_store.open(self._config)
        if name not in self._records.secret_names():
            raise _no_secret(name)
        self._recorder.acted(caller, "Manage", "secret-origin-removed", about=SECRET_PREFIX + name)
        self._records.delete_raw(_ORIGIN + name)
        return await self._records.save()

    async def remove_secret(self, peer: Peer, name: str) -> bool:
        """Forget a secret; return whether that is durable.

        Raise `unknown-credential` if there is no secret of that name.
        """
        caller = await self._gate.require_owner("Manage", peer)
        await self._opened_store.open(self._config, again=True)
        self._recorder.acted(caller, "Manage", "secret-removed", about=SECRET_PREFIX + name)
        if not self._records.delete_raw(SECRET_PREFIX + name):
            raise _no_secret(name)
        self._records.delete_raw(_ORIGIN + name)
        self._guard.forget(name)
        secret_changed(self._config, self._driver, name)
        return await self._records.save()

    async def secrets(self, peer: Peer) -> list[tuple[str, Binding | None, bool]]:
        """Return the names of the secrets, never their values.

        Each with what it is bound to, and whether a credential uses it.
        """
        self._gate.require("Inspect", peer)
        self._gate.check_unlocked()
        await self._opened_store.open(self._config)
        return [
            (name, self._guard.binding(name), bool(users(self._config, secret=name)))
            for name in self._records.secret_names()
        ]

    async def allow_secret(self, peer: Peer, name: str) -> tuple[Binding, bool]:
        """Bind a secret to all that the current configuration uses it for.

        Return that use, and whether it is durable. Raise `unknown-credential` if the store has no
        secret of that name, `bad-request` if no credential uses it.
        """
        caller = await self._gate.require_owner("Manage", peer)
        config = self._config
        await self._opened_store.open(config, again=True)
        if name not in self._records.secret_names():
            raise _no_secret(name)
        found = users(config, secret=name)
        if not found:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'no credential uses {{ store = "{name}" }}: run credward config edit',
            )
        self._recorder.acted(caller, "Manage", "secret-allowed", about=SECRET_PREFIX + name)
        binding, released = self._guard.allow(config, name, found)
        durable = await self._records.save()
        secret_allowed(self._driver, released)
        return binding, durable

    @property
    def _config(self) -> Config:
        return self._gate.config


def _no_secret(name: str) -> BrokerError:
    return BrokerError(
        Kind.UNKNOWN_CREDENTIAL, f'no secret "{name}" in the store: run credward secret list'
    )
